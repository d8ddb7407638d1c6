"""The memory beside one MLP: x -> mlp(x) + sum of the value rows that x's keys choose."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from train.memory.pool import Pool
from train.memory.product_key import ProductKeys
from train.memory.sums import weighted_sums


@dataclass(slots=True)
class Access:
    """What one forward read: slots and weights (T, reads), and their sums (T, d), whose gradient says the rows'."""

    slots: Tensor
    weights: Tensor
    sums: Tensor


class Memory(nn.Module):
    """gate(x) * project(sum of the value rows that x's keys choose); gate and projection are optional.

    While `recording`, a forward keeps what it read. Its sums are leaves of the graph, so that backward ends there: the
    gradients of the few rows that will move are made of theirs afterwards, and of no others.
    """

    def __init__(self, keys: ProductKeys, pool: Pool, gate: bool = False, projection: bool = False) -> None:
        super().__init__()
        size = pool.values.shape[1]
        self.keys, self.pool = keys, pool
        self.gate = TokenGate(size) if gate else None
        self.project = identity_projection(size) if projection else None
        self.recording = False
        self.accesses: list[Access] = []

    @property
    def values(self) -> Tensor:
        """The pool's rows (N, d)."""
        return self.pool.values

    def forward(self, states: Tensor) -> Tensor:
        with torch.autocast(states.device.type, enabled=False):  # lookups and values stay fp32
            flat = states.reshape(-1, states.shape[-1]).float()
            out = self.look_up(flat)
            out = self.project(out) if self.project else out
            out = self.gate(flat) * out if self.gate else out
        return out.to(states.dtype).reshape(states.shape)

    def look_up(self, states: Tensor) -> Tensor:
        """Weighted sum of value rows for each state: (T, d) to (T, d)."""
        slots, weights = self.keys(states)
        table, at = self.pool.find(slots)
        sums = self.read(table, at, weights)
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
        begins = torch.arange(0, slots.numel() + 1, slots.shape[1], device=slots.device)
        return weighted_sums(values, slots.flatten(), weights.flatten(), begins)


class TokenGate(nn.Module):
    """How far a token's memory is let through, from 0 to 2: 1 for all before training."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.score = nn.Linear(size, 1)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)

    def forward(self, states: Tensor) -> Tensor:
        return 2 * torch.sigmoid(self.score(states))


def identity_projection(size: int) -> nn.Linear:
    """A linear map that changes nothing until it is trained."""
    projection = nn.Linear(size, size, bias=False)
    nn.init.eye_(projection.weight)
    return projection


class WithMemory(nn.Module):
    """An MLP and its memory, summed."""

    def __init__(self, mlp: nn.Module, memory: Memory) -> None:
        super().__init__()
        self.mlp, self.memory = mlp, memory

    def forward(self, states: Tensor, *others: Any) -> Tensor:
        out: Tensor = self.mlp(states, *others) + self.memory(states)
        return out
