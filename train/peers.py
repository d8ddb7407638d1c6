"""The workers that train one run together: how they share out a step's batches and bring together what they made.

Every worker does the same steps in the same order. A step's batches go round; what each made of its own is summed, so
that all workers see the step as one process would. `torch.distributed` carries it: gloo on CPUs, nccl on GPUs.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

from train.data import Batch

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Peers:
    """This process among `world` of them. `shards`: what trains is split over them where a method can.

    Each method of it but `own` is one that all workers call at the same point.
    """

    rank: int = 0
    world: int = 1
    shards: bool = False

    @property
    def alone(self) -> bool:
        """Whether there is no other."""
        return self.world == 1

    @property
    def is_main(self) -> bool:
        """Whether this one writes files and prints."""
        return self.rank == 0

    @property
    def splits(self) -> bool:
        """Whether each holds a part of what trains."""
        return self.shards and not self.alone

    def unsharded(self) -> "Peers":
        """The same for a method that is small enough for each to hold all of it."""
        return replace(self, shards=False)

    def own(self, batches: Sequence[Batch]) -> list[tuple[Batch, bool]]:
        """This worker's batches of a step, as many as everyone's; False: done for company only, it counts elsewhere."""
        mine = [(batch, True) for batch in batches[self.rank :: self.world]]
        missing = -(-len(batches) // self.world) - len(mine)
        return mine + [(batches[0], False)] * missing

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Make each tensor the sum of everyone's, in place; one message for all of a type."""
        if self.alone:
            return
        by_type: dict[torch.dtype, list[Tensor]] = {}
        for tensor in tensors:
            by_type.setdefault(tensor.dtype, []).append(tensor)
        for group in by_type.values():
            flat = torch.cat([tensor.flatten() for tensor in group])
            dist.all_reduce(flat)
            for tensor, part in zip(group, flat.split([tensor.numel() for tensor in group]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def join(self, part: Tensor) -> list[Tensor]:
        """Everyone's tensor, in order of rank; they may differ in their first size."""
        if self.alone:
            return [part]
        sizes = [torch.zeros((), dtype=torch.long, device=part.device) for _ in range(self.world)]
        dist.all_gather(sizes, torch.tensor(len(part), device=part.device))
        longest = max(int(size) for size in sizes)
        filled = part.new_zeros(longest, *part.shape[1:])
        filled[: len(part)] = part
        parts = [torch.empty_like(filled) for _ in range(self.world)]
        dist.all_gather(parts, filled)
        return [padded[: int(size)] for padded, size in zip(parts, sizes, strict=True)]

    def join_objects(self, part: T) -> list[T]:
        """Everyone's object, in order of rank."""
        if self.alone:
            return [part]
        parts: list[T | None] = [None] * self.world
        dist.all_gather_object(parts, part)
        return cast(list[T], parts)

    def agree(self, value: T) -> T:
        """The main worker's value."""
        return self.join_objects(value)[0]

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """The main worker does the block before the others: what it writes, they read."""
        if not self.is_main:
            self.agree(None)
        yield
        if self.is_main:
            self.agree(None)


ALONE = Peers()
