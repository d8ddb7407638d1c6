"""Adam for a few rows of a big table: rows that were not chosen keep every bit."""

import torch
from torch import Tensor


class RowAdam:
    """Adam with one second moment per row and its own step count per row.

    A mask over dense Adam would not freeze rows: momentum moves them long after. Here only the listed rows change,
    and their bias correction counts only the steps in which they were chosen. State: (N, d) and 2 x (N,), fp32.
    """

    def __init__(self, values: Tensor, lr: float, betas: tuple[float, float] = (0.9, 0.99), eps: float = 1e-8) -> None:
        self.values, self.lr, self.betas, self.eps = values, lr, betas, eps
        self.first = torch.zeros_like(values)
        self.second = torch.zeros(len(values), device=values.device)
        self.steps = torch.zeros(len(values), device=values.device)

    @torch.no_grad()
    def step(self, rows: Tensor, gradient: Tensor, scale: float) -> None:
        """Move `rows` (R,) by their gradients (R, d) at learning rate `lr * scale`."""
        beta_1, beta_2 = self.betas
        self.steps[rows] += 1
        first = self.first[rows].lerp(gradient, 1 - beta_1)
        second = self.second[rows].lerp(gradient.square().mean(1), 1 - beta_2)
        self.first[rows], self.second[rows] = first, second
        steps = self.steps[rows]
        mean = first / (1 - beta_1**steps)[:, None]
        spread = (second / (1 - beta_2**steps)).sqrt()[:, None] + self.eps
        self.values[rows] -= self.lr * scale * mean / spread
