"""Tables of few rows out of many: they hold only those that were ever written, so that their size follows use."""

from collections.abc import Mapping

import torch
from torch import Tensor


class Rows:
    """Rows of `widths` numbers, in order of touch; `slots` says whose each is. Those not touched are zero."""

    def __init__(self, widths: dict[str, int], device: torch.device, most: int | None = None) -> None:
        self.slots = torch.empty(0, dtype=torch.long, device=device)
        self.rows = {name: torch.zeros(0, width, device=device) for name, width in widths.items()}
        self.used, self.most = 0, most

    def find(self, slots: Tensor) -> Tensor:
        """Positions of distinct slots (R,) in `rows`; slots that are new get rows of zeros."""
        raise NotImplementedError

    def append(self, new: Tensor) -> None:
        """Give distinct slots (R,) that have none rows of zeros."""
        self.reserve(self.used + len(new))
        self.slots[self.used : self.used + len(new)] = new
        self.used += len(new)

    def change(self, name: str, at: Tensor, change: Tensor) -> None:
        """Add to the rows (R, width) at distinct positions (R,)."""
        self.rows[name].index_add_(0, at, change)  # index_add_ and index_select copy rows, `[at]` copies numbers

    def add(self, name: str, at: Tensor, change: Tensor) -> Tensor:
        """The same; returns what they are then."""
        self.change(name, at, change)
        return self.rows[name].index_select(0, at)

    def move(self, name: str, at: Tensor, towards: Tensor, share: float) -> Tensor:
        """Move the rows (R, width) at distinct positions (R,) a share of the way; returns what they are then."""
        return self.add(name, at, (towards - self.rows[name].index_select(0, at)).mul_(share))

    def put(self, name: str, at: Tensor, rows: Tensor) -> None:
        """Replace the rows (R, width) at distinct positions (R,)."""
        self.rows[name].index_copy_(0, at, rows)

    def clear(self, *names: str) -> None:
        """Make all rows of these names zero."""
        for name in names:
            self.rows[name].zero_()

    def save(self) -> dict[str, Tensor]:
        """The touched slots and their rows, in order of touch."""
        return {"slots": self.slots[: self.used]} | {name: rows[: self.used] for name, rows in self.rows.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Make the rows those that were saved; there must be none yet."""
        at = self.find(tensors["slots"].to(self.slots.device))
        for name, rows in self.rows.items():
            rows[at] = tensors[name].to(rows.device)

    def reserve(self, size: int) -> None:
        """Make room for `size` rows, at least doubling, up to `most`."""
        if size <= len(self.slots):
            return
        more = min(max(size, 2 * len(self.slots)), self.most or 2 * size) - len(self.slots)
        self.slots = torch.cat([self.slots, self.slots.new_zeros(more)])
        self.rows = {n: torch.cat([rows, rows.new_zeros(more, rows.shape[1])]) for n, rows in self.rows.items()}


class TouchedRows(Rows):
    """Rows for slots of 0..num_slots-1, found by one int32 per slot (-1: none yet)."""

    def __init__(self, num_slots: int, widths: dict[str, int], device: torch.device) -> None:
        super().__init__(widths, device, num_slots)
        self.place = torch.full((num_slots,), -1, dtype=torch.int32, device=device)

    def find(self, slots: Tensor) -> Tensor:
        """Positions of distinct slots (R,) in `rows`; slots that are new get rows of zeros."""
        new = slots[self.place[slots] < 0]
        if len(new):
            self.place[new] = torch.arange(self.used, self.used + len(new), dtype=torch.int32, device=new.device)
            self.append(new)
        return self.place[slots].long()


class SortedRows(Rows):
    """Rows found in a sorted list of their slots: nothing is kept of slots without one, so that many tables fit."""

    def __init__(self, widths: dict[str, int], device: torch.device) -> None:
        super().__init__(widths, device)
        self.sorted, self.order = self.slots.sort()

    def find(self, slots: Tensor) -> Tensor:
        """Positions of distinct slots (R,) in `rows`; slots that are new get rows of zeros."""
        known = self.sorted[torch.searchsorted(self.sorted[:-1], slots)] == slots if self.used else slots < 0
        if not bool(known.all()):
            self.append(slots[~known])
            self.sorted, self.order = self.slots[: self.used].sort()
        return self.order[torch.searchsorted(self.sorted, slots)]
