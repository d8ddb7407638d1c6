"""Keeps the states below the first block that trains: nothing there changes, so later epochs start above it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from train.data import Batch

States = dict[int, dict[bytes, Tensor]]  # by number of blocks, then by token ids; all runs of one base model share them


class ActivationCache:
    """States (L, d) entering the last of the lowest `blocks` of each sequence ever seen: 4 d bytes a token of memory.

    A state depends on the tokens before it alone, so it can be used again whatever the batch.
    """

    def __init__(self, blocks: Sequence[nn.Module], shared: States | None = None) -> None:
        self.below, self.block = blocks[:-1], blocks[-1]
        self.states = {} if shared is None else shared.setdefault(len(blocks), {})
        self.returns_tuple = False  # what a block of this architecture returns its states in

    @contextmanager
    def used(self, batch: Batch) -> Iterator[None]:
        """Within it a forward skips the blocks below if all of the batch's sequences are known; else it learns them."""
        keys = [ids[mask].numpy().tobytes() for ids, mask in zip(batch.ids, batch.mask, strict=True)]
        if not self.below:
            yield
        elif all(key in self.states for key in keys):
            with self.skipping(pad_states([self.states[key] for key in keys], batch.mask)):
                yield
        else:
            with self.watching(keys, batch.mask):
                yield

    @contextmanager
    def watching(self, keys: list[bytes], mask: Tensor) -> Iterator[None]:
        """Keep what enters the block."""

        def keep(block: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
            states = (args[0] if args else named["hidden_states"]).detach()
            for key, row, real in zip(keys, states.cpu(), mask, strict=True):
                self.states[key] = row[real].clone()

        def look(block: nn.Module, args: tuple[Any, ...], out: Any) -> None:
            self.returns_tuple = isinstance(out, tuple)

        hooks = [
            self.block.register_forward_pre_hook(keep, with_kwargs=True),
            self.below[0].register_forward_hook(look),
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @contextmanager
    def skipping(self, states: Tensor) -> Iterator[None]:
        """Make the blocks below pass on what they get, and the block take `states` (B, L, d) instead of it."""

        def replace(block: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
            kept = states.to(next(block.parameters()).device)
            return ((kept, *args[1:]), named) if args else (args, named | {"hidden_states": kept})

        hook = self.block.register_forward_pre_hook(replace, with_kwargs=True)
        for block in self.below:
            block.forward = pass_on_in_tuple if self.returns_tuple else pass_on
        try:
            yield
        finally:
            hook.remove()
            for block in self.below:
                del block.forward


def pass_on(hidden_states: Tensor, *_: object, **__: object) -> Tensor:
    """A block that does nothing."""
    return hidden_states


def pass_on_in_tuple(hidden_states: Tensor, *_: object, **__: object) -> tuple[Tensor]:
    """The same for architectures whose blocks return a tuple."""
    return (hidden_states,)


def pad_states(rows: list[Tensor], mask: Tensor) -> Tensor:
    """Rows (L, d) as one tensor (B, L, d), zero where the mask (B, L) is False."""
    states = rows[0].new_zeros(*mask.shape, rows[0].shape[1])
    states[mask] = torch.cat(rows)
    return states
