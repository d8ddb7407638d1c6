"""Nucleus sampling (Holtzman et al. 1904.09751) for vLLM on a CPU, without sorting the vocabulary.

vLLM sorts every request's logits at each step, which takes two fifths of a small model's time there. The nucleus is
nearly always among the likeliest few hundred tokens: only these are sorted, and more where it is not.
"""

from typing import Any

import torch
from torch import Tensor
from vllm.v1.sample.logits_processor.builtin import process_dict_updates
from vllm.v1.sample.logits_processor.interface import BatchUpdate, LogitsProcessor

SHARE = "nucleus"  # the name, in a request's `extra_args`, of the probability that is kept
NUM_SORTED, GROWTH = 256, 16  # tokens that are sorted at first; how many times more where they are too few


class Nucleus(LogitsProcessor):  # type: ignore[misc]
    """A logits processor of vLLM; it sees logits after the temperature, as `top_p` does."""

    def __init__(self, vllm_config: Any, device: torch.device, is_pin_memory: bool) -> None:
        self.shares: dict[int, float] = {}

    def is_argmax_invariant(self) -> bool:
        """The likeliest token always stays."""
        return True

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follow the requests to their places in the batch."""
        process_dict_updates(self.shares, batch_update, lambda params, *_: share_of(params.extra_args or {}))

    def apply(self, logits: Tensor) -> Tensor:
        """Logits (B, V), minus infinity outside each request's nucleus."""
        if self.shares:
            rows = torch.tensor(sorted(self.shares), device=logits.device)
            shares = torch.tensor([self.shares[row] for row in rows.tolist()], device=logits.device)
            least = least_logits(logits[rows] if len(rows) < len(logits) else logits, shares)
            bound = torch.full((len(logits), 1), -torch.inf, device=logits.device).index_copy_(0, rows, least[:, None])
            logits.masked_fill_(logits < bound, -torch.inf)
        return logits


def share_of(extra: dict[str, Any]) -> float | None:
    """What a request keeps; None: everything."""
    share = float(extra.get(SHARE, 1.0))
    return share if share < 1.0 else None


def least_logits(logits: Tensor, shares: Tensor, num_sorted: int = NUM_SORTED) -> Tensor:
    """The logit (B,) of the least likely token in each row's nucleus: the fewest of logits (B, V) with so much mass.

    `shares` (B,) are the probabilities to keep.
    """
    top = logits.topk(min(num_sorted, logits.shape[1])).values
    mass = (top - logits.logsumexp(1, keepdim=True)).exp().cumsum(1)
    before = (mass < shares[:, None]).sum(1)
    beyond = before == top.shape[1]
    least = top.gather(1, before.clamp_max(top.shape[1] - 1)[:, None])[:, 0]
    if beyond.any() and top.shape[1] < logits.shape[1]:
        least[beyond] = least_logits(logits[beyond], shares[beyond], num_sorted * GROWTH)
    return least
