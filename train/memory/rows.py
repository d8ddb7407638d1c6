"""A table of few rows out of many: holds only those that were ever written, so that its size follows use."""

from collections.abc import Mapping

import torch
from torch import Tensor


class TouchedRows:
    """Rows of `widths` numbers for slots of 0..num_slots-1 that were touched; the others are zero and take no room.

    Besides the rows it keeps one int32 per slot, which says where a slot's row is (-1: nowhere yet).
    """

    def __init__(self, num_slots: int, widths: dict[str, int], device: torch.device) -> None:
        self.place = torch.full((num_slots,), -1, dtype=torch.int32, device=device)
        self.slots = torch.empty(0, dtype=torch.long, device=device)
        self.rows = {name: torch.zeros(0, width, device=device) for name, width in widths.items()}
        self.used = 0

    def find(self, slots: Tensor) -> Tensor:
        """Positions of distinct slots (R,) in `rows`; slots that are new get rows of zeros."""
        new = slots[self.place[slots] < 0]
        if len(new):
            self.reserve(self.used + len(new))
            self.place[new] = torch.arange(self.used, self.used + len(new), dtype=torch.int32, device=new.device)
            self.slots[self.used : self.used + len(new)] = new
            self.used += len(new)
        return self.place[slots].long()

    def add(self, name: str, at: Tensor, change: Tensor) -> Tensor:
        """Add to the rows (R, width) at distinct positions (R,); returns what they are then."""
        self.rows[name].index_add_(0, at, change)  # index_add_ and index_select copy rows, `[at]` copies numbers
        return self.rows[name].index_select(0, at)

    def move(self, name: str, at: Tensor, towards: Tensor, share: float) -> Tensor:
        """Move the rows (R, width) at distinct positions (R,) a share of the way; returns what they are then."""
        return self.add(name, at, (towards - self.rows[name].index_select(0, at)).mul_(share))

    def save(self) -> dict[str, Tensor]:
        """The touched slots and their rows, in order of touch."""
        return {"slots": self.slots[: self.used]} | {name: rows[: self.used] for name, rows in self.rows.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Make the rows those that were saved; there must be none yet."""
        at = self.find(tensors["slots"].to(self.slots.device))
        for name, rows in self.rows.items():
            rows[at] = tensors[name].to(rows.device)

    def reserve(self, size: int) -> None:
        """Make room for `size` rows, at least doubling."""
        if size <= len(self.slots):
            return
        more = max(size, 2 * len(self.slots)) - len(self.slots)
        self.slots = torch.cat([self.slots, self.slots.new_zeros(more)])
        self.rows = {n: torch.cat([rows, rows.new_zeros(more, rows.shape[1])]) for n, rows in self.rows.items()}
