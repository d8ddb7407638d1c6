"""Chooses which rows of the value table one step may change: TF-IDF of accesses (Lin et al. 2510.15103)."""

import torch
from torch import Tensor


def score_slots(count: Tensor, document_frequency: Tensor, num_background: Tensor, idf_power: float) -> Tensor:
    """count / sum(count) * log((B + 1) / (df + 1)) ** idf_power, for slots in any order; all (U,).

    `count`: accesses in this step's batch, padding left out. `document_frequency`: background batches that read the
    slot, of `num_background`. The paper has idf_power 1; a higher one protects what the background reads harder.
    """
    idf = torch.log((num_background + 1) / (document_frequency + 1))
    return count / count.sum().clamp_min(1) * idf**idf_power


def choose_slots(count: Tensor, scores: Tensor, top_t: int) -> Tensor:
    """Positions of the `top_t` best slots among those that were read at all."""
    best = scores.topk(min(top_t, len(scores))).indices
    return best[(count[best] > 0) & (scores[best] > 0)]
