"""Measures how likely a model finds general text, and how far its predictions are from the base model's."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.data import Batch
from train.model import Loaded
from train.objectives import learned_logits


@dataclass(frozen=True, slots=True)
class TextLikelihood:
    """One token sequence: sums in nats over its `num_tokens` predicted tokens; `kl` is None where nobody measured."""

    nll: float
    kl: float | None
    num_tokens: int


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Mean negative log-likelihood and mean KL(base || model) in nats a token, over all predicted tokens of `texts`."""

    texts: tuple[TextLikelihood, ...]

    @property
    def num_tokens(self) -> int:
        """Predicted tokens."""
        return sum(text.num_tokens for text in self.texts)

    @property
    def nll(self) -> float:
        """Nats a token."""
        return sum(text.nll for text in self.texts) / self.num_tokens

    @property
    def kl(self) -> float | None:
        """Nats a token; None where nobody measured."""
        sums = [text.kl for text in self.texts if text.kl is not None]
        return sum(sums) / self.num_tokens if len(sums) == len(self.texts) else None

    @property
    def perplexity(self) -> float:
        """exp of the mean NLL."""
        return math.exp(min(self.nll, 700.0))


def measure_likelihood(loaded: Loaded, batches: Sequence[Batch], base: nn.Module | None = None) -> Likelihood:
    """Likelihood of each sequence, in fp32; the first token of a sequence is not predicted.

    With the `base` model also the KL of its whole distribution to the model's at each token (RL's Razor, 2509.04259,
    finds that it foretells forgetting); it is 0 where the model is the base itself.
    """
    return Likelihood(tuple(text for batch in batches for text in measure_batch(loaded.network, batch, base)))


@torch.no_grad()
def measure_batch(network: nn.Module, batch: Batch, base: nn.Module | None) -> Iterator[TextLikelihood]:
    """Likelihood of each row of a batch."""
    sizes = batch.learn.sum(1).tolist()
    logits, ids = learned_logits(network, batch)
    rows = zip(logits.split(sizes), ids.split(sizes), kl_of_rows(network, batch, base, logits), strict=True)
    for ours, tokens, kl in rows:
        yield TextLikelihood(F.cross_entropy(ours, tokens, reduction="sum").item(), kl, len(tokens))


def kl_of_rows(network: nn.Module, batch: Batch, base: nn.Module | None, logits: Tensor) -> list[float | None]:
    """The KL of each row of a batch, of which the network's logits (K, V) are known; None without a base."""
    sizes = batch.learn.sum(1).tolist()
    if base is None or base is network:
        return [None if base is None else 0.0] * len(sizes)
    pairs = zip(learned_logits(base, batch)[0].split(sizes), logits.split(sizes), strict=True)
    return [sum_kl(theirs, ours) for theirs, ours in pairs]


def sum_kl(base: Tensor, model: Tensor) -> float:
    """Sum over K tokens of KL(base || model) in nats, from logits (K, V); never below 0, as rounding could make it."""
    log_p, log_q = torch.log_softmax(base, dim=-1), torch.log_softmax(model, dim=-1)
    return max(0.0, F.kl_div(log_q, log_p, reduction="sum", log_target=True).item())
