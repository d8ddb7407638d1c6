"""The memory beside one MLP: x -> mlp(x) + sum of the value rows that x's keys choose."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.memory.product_key import ProductKeys


@dataclass(slots=True)
class Access:
    """What one forward read: slots and weights (T, reads), and their sums (T, d), whose gradient says the rows'."""

    slots: Tensor
    weights: Tensor
    sums: Tensor


class Memory(nn.Module):
    """A table of values (N, d), zero at first, so that attaching changes no output.

    While `recording`, a forward keeps what it read. Its sums are leaves of the graph, so that backward ends there: the
    gradients of the few rows that will move are made of theirs afterwards, and of no others.
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
        self.accesses: list[Access] = []

    def forward(self, states: Tensor) -> Tensor:
        with torch.autocast(states.device.type, enabled=False):  # lookups and values stay fp32
            out = self.look_up(states.reshape(-1, states.shape[-1]).float())
        return out.to(states.dtype).reshape(states.shape)

    def look_up(self, states: Tensor) -> Tensor:
        """Weighted sum of value rows for each state: (T, d) to (T, d)."""
        slots, weights = self.keys(states)
        sums = self.read(self.values, slots, weights)
        if self.recording:
            self.accesses.append(Access(slots, weights, sums.requires_grad_()))
        return sums

    def take_accesses(self) -> list[Access]:
        """What was read since the last call, one for each forward; recording ends."""
        taken, self.accesses, self.recording = self.accesses, [], False
        return taken

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
