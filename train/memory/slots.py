"""Chooses which rows of the value table a step may change: those that its batch reads and the background does not."""

import torch
from torch import Tensor


def score_tfidf(count: Tensor, document_frequency: Tensor, num_background: Tensor, idf_power: float) -> Tensor:
    """count / sum(count) * log((B + 1) / (df + 1)) ** idf_power, for slots in any order; all (U,) (2510.15103).

    `count`: accesses in this step's batch, each as much as its weight, padding left out. `document_frequency`:
    background batches that read the slot, of `num_background`. The paper has idf_power 1; a higher one protects what
    the background reads harder.
    """
    idf = torch.log((num_background + 1) / (document_frequency + 1))
    return count / count.sum().clamp_min(1) * idf**idf_power


def score_kl(count: Tensor, background_count: Tensor, background_total: Tensor) -> Tensor:
    """p log(p / q): each slot's part of the divergence of the batch's accesses from the background's; all (U,).

    p: the slot's share of the batch's accesses; q: its share of the background's, with one access added (2605.03229).
    """
    share = count / count.sum().clamp_min(1)
    background = (background_count + 1) / (background_total + 1)
    return torch.where(count > 0, share * torch.log(share.clamp_min(1e-30) / background), torch.zeros_like(share))


def choose_slots(count: Tensor, scores: Tensor, top_t: int) -> Tensor:
    """Positions of the `top_t` best slots among those that were read at all and score above zero."""
    best = scores.topk(min(top_t, len(scores))).indices
    return best[(count[best] > 0) & (scores[best] > 0)]


def damp(background_share: Tensor, damping: float) -> Tensor:
    """c / (c + u) of each row, in its shape: how far it may go when the background reads it u times the mean slot's.

    A step g / (1 + u / c) is the one that minimises loss + damage, when a row that moves by x does the background a
    damage of u |x|^2 / c: the less the background reads a row, the freer it is. No row is shut out.
    """
    return damping / (damping + background_share)
