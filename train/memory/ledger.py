"""Books what moves a row to the document whose gradient does it, so that a patch holds all that its document wrote."""

from collections.abc import Mapping
from itertools import count

import torch
from torch import Tensor

from train.memory.rows import SortedRows, TouchedRows

SETTLE_EVERY = 32  # steps; powers of the momentum stay far from where fp32 loses them


class Ledger:
    """What each document wrote into one table.

    With momentum b a row's j-th step moves it by -c_j m_j, where m_j = b m_(j-1) + (1 - b) g_j: a gradient goes on
    moving the row in later steps, which may be other documents'. Kept of a document's row are its delta so far and the
    part p of m that is its own. S_j is the sum of b^i c_i over i up to j. At step j of a row that the document moved
    last at step s:
    1. its part has since moved the row by -p (S_j - S_s) / b^s, which goes to its delta, and is p b^(j - s) now;
    2. (1 - b) g_j joins the part, and -c_j (1 - b) g_j the delta.
    Now and then step 1 is done for all, and j begins at 0 again. All documents' deltas add up to what the rows moved.
    """

    def __init__(self, num_slots: int, width: int, momentum: float, device: torch.device) -> None:
        self.width, self.momentum, self.num_steps = width, momentum, 0
        self.clock = TouchedRows(num_slots, {"steps": 1, "sum": 1}, device)
        self.documents: dict[str, SortedRows] = {}

    def add(self, document: str, slots: Tensor, gradient: Tensor, rate: Tensor) -> None:
        """Take in a step: gradients (R, d) of distinct slots (R,), and c (R, 1)."""
        at = self.clock.find(slots)
        steps = self.clock.add("steps", at, torch.ones_like(rate))
        total = self.clock.add("sum", at, self.momentum**steps * rate)
        rows = self.rows_of(document)
        at, fresh = rows.find(slots), 1 - self.momentum
        part, moved = self.settle(rows, at, steps, total)
        rows.put("part", at, part.add_(gradient, alpha=fresh))
        rows.change("delta", at, moved.addcmul_(gradient, rate, value=-fresh))
        self.num_steps += 1
        if self.num_steps % SETTLE_EVERY == 0:
            self.settle_all()

    def rows_of(self, document: str) -> SortedRows:
        """A document's rows."""
        if document not in self.documents:
            widths = {"delta": self.width, "part": self.width, "steps": 1, "sum": 1}
            self.documents[document] = SortedRows(widths, self.clock.slots.device)
        return self.documents[document]

    def settle(self, rows: SortedRows, at: Tensor, steps: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        """What parts of rows at positions (R,) are now, where j and S_j are these (R, 1), and what they moved."""
        since, then, part = (rows.rows[name].index_select(0, at) for name in ("steps", "sum", "part"))
        rows.put("steps", at, steps)
        rows.put("sum", at, total)
        moved = part * ((then - total) / (self.momentum**since).clamp_min(1e-30))  # 0 / 0 without momentum
        return part.mul_(self.momentum ** (steps - since)), moved

    def settle_all(self) -> None:
        """Book what all parts moved until now, and count from 0 again."""
        for rows in self.documents.values():
            slots, at = rows.slots[: rows.used], torch.arange(rows.used, device=rows.slots.device)
            now = self.clock.find(slots)
            steps, total = (self.clock.rows[name].index_select(0, now) for name in ("steps", "sum"))
            part, moved = self.settle(rows, at, steps, total)
            rows.put("part", at, part)
            rows.change("delta", at, moved)
            rows.clear("steps", "sum")
        self.clock.clear("steps", "sum")

    def forget_momentum(self) -> None:
        """What was not moved yet never will be: the optimiser begins anew."""
        self.settle_all()
        for rows in self.documents.values():
            rows.clear("part")

    def written(self, document: str) -> tuple[Tensor, Tensor]:
        """Slots (R,), ascending, and deltas (R, d) of one document, once all is settled."""
        rows = self.rows_of(document)
        slots, order = rows.slots[: rows.used].sort()
        return slots, rows.rows["delta"].index_select(0, order)

    def save(self) -> dict[str, Tensor]:
        """Its state; documents are named by their UTF-8 bytes."""
        tensors = {f"clock/{name}": tensor for name, tensor in self.clock.save().items()}
        tensors["num_steps"] = torch.tensor(self.num_steps)
        for i, (document, rows) in enumerate(self.documents.items()):
            tensors[f"{i}/document"] = torch.tensor(list(document.encode()), dtype=torch.uint8)
            tensors |= {f"{i}/{name}": tensor for name, tensor in rows.save().items()}
        return tensors

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over a state; there must be none yet."""
        self.clock.load(under("clock/", tensors))
        self.num_steps = int(tensors["num_steps"])
        for i in count():
            if f"{i}/document" not in tensors:
                return
            document = bytes(tensors[f"{i}/document"].tolist()).decode()
            self.rows_of(document).load(under(f"{i}/", tensors))


def under(start: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin so, without that beginning."""
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
