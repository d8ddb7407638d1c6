"""Optimisers for a few rows of a big table: rows that are not listed keep every bit, and have no state."""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from train.memory.rows import TouchedRows


class RowOptimizer(Protocol):
    """Moves listed rows of a table; of a row's mean gradient its next step keeps the share `momentum`."""

    momentum: float

    def step(self, rows: Tensor, gradient: Tensor, scale: Tensor | float, mean_square: Tensor | None = None) -> Tensor:
        """Move distinct `rows` (R,) by their gradients (R, d) at rate `lr * scale`; `scale` is for all or (R, 1).

        `mean_square` is the gradients' where `rows` are a part of the step's. Returns the rates (R, 1): a row moved by
        minus its rate times the running mean m of its gradients, m = momentum * m + (1 - momentum) * gradient.
        """
        ...

    def save(self) -> dict[str, Tensor]:
        """Its state."""
        ...

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over a state."""
        ...


class RowAdam:
    """Adam with lazy moments and one second moment per row (as Adafactor's, Shazeer & Stern 1804.04235).

    A mask over dense Adam would not freeze rows: momentum moves them long after. Here only the listed rows change,
    and a row's bias correction counts only the steps in which it was listed. With `floor`, a row's second moment counts
    at least as much as the mean listed row's: rows with little gradient then move little, and not as far as the others.
    State: d + 2 numbers for each row that was ever listed.
    """

    def __init__(
        self,
        values: Tensor,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-8,
        floor: bool = True,
    ) -> None:
        self.values, self.lr, self.betas, self.eps, self.floor = values, lr, betas, eps, floor
        self.momentum = betas[0]
        self.mean_square, self.num_steps = torch.zeros((), device=values.device), 0
        widths = {"first": values.shape[1], "second": 1, "steps": 1}
        self.state = TouchedRows(len(values), widths, values.device)

    @torch.no_grad()
    def step(self, rows: Tensor, gradient: Tensor, scale: Tensor | float, mean_square: Tensor | None = None) -> Tensor:
        beta_1, beta_2 = self.betas
        least = self.least_square(gradient.square().mean() if mean_square is None else mean_square)
        at = self.state.find(rows)
        first = self.state.move("first", at, gradient, 1 - beta_1)
        second = self.state.move("second", at, gradient.square().mean(1, keepdim=True), 1 - beta_2)
        steps = self.state.add("steps", at, torch.ones_like(second))
        spread = (second / (1 - beta_2**steps)).clamp_min(least).sqrt() + self.eps
        rate = self.lr * scale / ((1 - beta_1**steps) * spread)
        self.values.index_add_(0, rows, first.mul_(-rate))
        return rate

    def save(self) -> dict[str, Tensor]:
        """Moments of the rows that were ever listed, and the mean square of gradients."""
        return self.state.save() | {"mean_square": self.mean_square, "num_steps": torch.tensor(self.num_steps)}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over a state."""
        self.mean_square = tensors["mean_square"].to(self.values.device)
        self.num_steps = int(tensors["num_steps"])
        self.state.load(tensors)

    def least_square(self, mean_square: Tensor) -> float:
        """Running mean of the steps' mean squares so far; 0 without `floor`."""
        beta, self.num_steps = self.betas[1], self.num_steps + 1
        self.mean_square.lerp_(mean_square, 1 - beta)
        return self.mean_square.item() / (1 - beta**self.num_steps) if self.floor else 0.0


class RowSgd:
    """Plain gradient descent; no state (the optimiser of Lin et al. 2510.15103)."""

    momentum = 0.0

    def __init__(self, values: Tensor, lr: float) -> None:
        self.values, self.lr = values, lr

    @torch.no_grad()
    def step(self, rows: Tensor, gradient: Tensor, scale: Tensor | float, mean_square: Tensor | None = None) -> Tensor:
        rate = torch.as_tensor(self.lr * scale, device=rows.device).expand(len(rows), 1)
        self.values.index_add_(0, rows, -rate * gradient)
        return rate

    def save(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Nothing."""
