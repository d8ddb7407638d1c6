"""The memory beside one MLP: x -> mlp(x) + sum of the value rows that x's keys choose."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.memory.product_key import ProductKeys


@dataclass(slots=True)
class Access:
    """What one forward read: distinct slots (U,), where each read points in them (T, reads), their rows (U, d)."""

    slots: Tensor
    inverse: Tensor
    rows: Tensor


class Memory(nn.Module):
    """A table of values (N, d), zero at first, so that attaching changes no output.

    While `recording`, a forward takes the rows that it reads into a small leaf that gets the gradient: no gradient
    of the table's size is ever made.
    """

    keys: ProductKeys
    values: Tensor
    document_frequency: Tensor
    access_count: Tensor
    num_background: Tensor

    def __init__(self, keys: ProductKeys, num_slots: int, size: int) -> None:
        super().__init__()
        self.keys = keys
        self.register_buffer("values", torch.zeros(num_slots, size), persistent=False)
        self.register_buffer("document_frequency", torch.zeros(num_slots))
        self.register_buffer("access_count", torch.zeros(num_slots))
        self.register_buffer("num_background", torch.zeros(()))
        self.recording = False
        self.access: Access | None = None

    def forward(self, states: Tensor) -> Tensor:
        with torch.autocast(states.device.type, enabled=False):  # lookups and values stay fp32
            out = self.look_up(states.reshape(-1, states.shape[-1]).float())
        return out.to(states.dtype).reshape(states.shape)

    def look_up(self, states: Tensor) -> Tensor:
        """Weighted sum of value rows for each state: (T, d) to (T, d)."""
        slots, weights = self.keys(states)
        if not self.recording:
            return self.read(self.values, slots, weights)
        distinct, inverse = slots.unique(return_inverse=True)
        rows = self.values[distinct].requires_grad_()
        self.access = Access(distinct, inverse, rows)
        return self.read(rows, inverse, weights)

    @staticmethod
    def read(values: Tensor, slots: Tensor, weights: Tensor) -> Tensor:
        """Sums of rows of values (N, d), as slots and weights (T, reads) say: (T, d)."""
        return F.embedding_bag(slots, values, per_sample_weights=weights, mode="sum")


class WithMemory(nn.Module):
    """An MLP and its memory, summed."""

    def __init__(self, mlp: nn.Module, memory: Memory) -> None:
        super().__init__()
        self.mlp, self.memory = mlp, memory

    def forward(self, states: Tensor, *others: Any) -> Tensor:
        out: Tensor = self.mlp(states, *others) + self.memory(states)
        return out
