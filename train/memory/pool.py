"""The value rows that one or more memories read, and how often the background reads each."""

import math
import mmap

import torch
from torch import Tensor, nn

HUGE_PAGE = 2**21


class Pool(nn.Module):
    """A table of values (N, d), zero at first, so that attaching changes no output; N slots.

    Of the background, `access_count` (N,) are the weights with which it read each slot, added up, and
    `document_frequency` (N,) the batches that read it, of `num_background`; one that read it faintly counts in part.
    """

    values: Tensor
    document_frequency: Tensor
    access_count: Tensor
    num_background: Tensor

    def __init__(self, num_slots: int, size: int, num_held: int | None = None) -> None:
        super().__init__()
        rows = num_slots if num_held is None else num_held
        self.register_buffer("values", table_of_zeros(rows, size), persistent=False)
        self.register_buffer("document_frequency", torch.zeros(num_slots))
        self.register_buffer("access_count", torch.zeros(num_slots))
        self.register_buffer("num_background", torch.zeros(()))

    def commit(self) -> None:
        """Have the system give memory for the whole table, which else it does when a step first writes near a row."""
        self.values.mul_(1)  # a write that changes no bit

    def count_background(self, slots: Tensor, weights: Tensor) -> None:
        """Take in what one background batch read: slots and weights in the same shape."""
        count = torch.zeros_like(self.access_count).index_add_(0, slots.flatten(), weights.flatten())
        self.access_count += count
        self.document_frequency += count.clamp_max(1)
        self.num_background += 1

    def find(self, slots: Tensor) -> tuple[Tensor, Tensor]:
        """The table, and where in it each of the slots is."""
        return self.values, slots

    def held(self, slots: Tensor) -> Tensor:
        """Which of the slots' rows (R,) are in `values`: all."""
        return torch.ones_like(slots, dtype=torch.bool)

    def place(self, slots: Tensor) -> Tensor:
        """Where in `values` they are."""
        return slots

    def num_elements(self) -> int:
        """Numbers in the whole table, wherever they are held."""
        return len(self.access_count) * self.values.shape[1]

    def background_share(self, slots: Tensor) -> Tensor:
        """How often the background reads each of the slots (R,), in reads of the mean slot; 0 without a background."""
        return self.access_count[slots] / self.access_count.mean().clamp_min(1e-12)

    def usage(self) -> tuple[float, float]:
        """Of the background's reads: the share of slots that any went to, and the share of them (by weight) that the
        hundredth of all slots with most reads took; 0 without a background."""
        total = float(self.access_count.sum())
        busiest = self.access_count.topk(max(1, len(self.access_count) // 100)).values
        return float((self.access_count > 0).float().mean()), float(busiest.sum()) / total if total else 0.0

    def half_share(self, slots: Tensor) -> Tensor:
        """The same of all slots together that share a slot's first half key: what reads the mean one reads 1 of it."""
        num_keys = math.isqrt(len(self.access_count))
        of_half = self.access_count.view(num_keys, num_keys).sum(1)
        return of_half[slots // num_keys] / of_half.mean().clamp_min(1e-12)


def table_of_zeros(num_rows: int, width: int) -> Tensor:
    """Zeros (num_rows, width) in fp32, in huge pages where the system has them: reading rows at random is faster."""
    size = num_rows * width * 4
    if size < HUGE_PAGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        return torch.zeros(num_rows, width)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=torch.float32).view(num_rows, width)
