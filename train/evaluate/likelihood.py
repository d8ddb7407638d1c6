"""Measures how likely a model finds general text."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from train.data import Batch
from train.model import Loaded
from train.objectives import next_token_loss


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Mean negative log-likelihood in nats a token, over `num_tokens` predicted tokens."""

    nll: float
    num_tokens: int

    @property
    def perplexity(self) -> float:
        """exp of the mean NLL."""
        return math.exp(min(self.nll, 700.0))


@torch.no_grad()
def measure_likelihood(loaded: Loaded, batches: Sequence[Batch]) -> Likelihood:
    """NLL over all batches, losses in fp32; the first token of a sequence is not predicted."""
    total, count = 0.0, 0
    for batch in batches:
        predicted = int(batch.learn.sum())
        total += next_token_loss(loaded.network, batch).item() * predicted
        count += predicted
    return Likelihood(total / count, count)
