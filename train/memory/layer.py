"""The memory beside one MLP: x -> mlp(x) + sum of the value rows that x's keys choose."""

from dataclasses import dataclass

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

    def __init__(self, keys: ProductKeys, num_slots: int, size: int) -> None:
        super().__init__()
        self.keys = keys
        self.register_buffer("values", torch.zeros(num_slots, size), persistent=False)
        self.register_buffer("document_frequency", torch.zeros(num_slots))
        self.register_buffer("num_background", torch.zeros(()))
        self.recording = False
        self.access: Access | None = None

    def forward(self, states: Tensor) -> Tensor:
        flat = states.reshape(-1, states.shape[-1])
        slots, weights = self.keys(flat)
        rows = self.values
        if self.recording:
            distinct, inverse = slots.unique(return_inverse=True)
            rows = self.values[distinct].requires_grad_()
            self.access, slots = Access(distinct, inverse, rows), inverse
        with torch.autocast(states.device.type, enabled=False):
            out = F.embedding_bag(slots, rows, per_sample_weights=weights, mode="sum")
        return out.to(states.dtype).reshape(states.shape)


class WithMemory(nn.Module):
    """An MLP and its memory, summed."""

    def __init__(self, mlp: nn.Module, memory: Memory) -> None:
        super().__init__()
        self.mlp, self.memory = mlp, memory

    def forward(self, states: Tensor) -> Tensor:
        out: Tensor = self.mlp(states) + self.memory(states)
        return out
