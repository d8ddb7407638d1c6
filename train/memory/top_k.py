"""Finds the k best of a row of scores, and of all sums of two sorted rows, without looking at every one. Both exact."""

import torch
from torch import Tensor

GROUP = 8


def top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best of n scores (..., n), best first, and their positions, both (..., k).

    1. cut the n scores into groups of 8 and take each group's best;
    2. only the k groups with the best of those can hold one of the k: the others have k better ones elsewhere;
    3. search those groups.
    """
    size = scores.shape[-1]
    num_groups = size // GROUP
    if size % GROUP or num_groups < 2 * k:
        return scores.topk(k, -1)
    groups = scores.unflatten(-1, (GROUP, num_groups))
    best_groups = groups.amax(-2).topk(k, -1, sorted=False).indices
    inside = groups.gather(-1, best_groups.unsqueeze(-2).expand(*best_groups.shape[:-1], GROUP, k)).flatten(-2)
    best, at = inside.topk(k, -1)
    return best, at // k * num_groups + best_groups.gather(-1, at % k)


def pairs_to_search(k: int) -> Tensor:
    """Positions (2, P) in two descending rows of which one pair in each must be among the k best sums.

    The pair (i, j) has (i + 1) * (j + 1) - 1 others that are no worse, so only those with (i + 1) * (j + 1) <= k count:
    50 of 256 for k = 16.
    """
    return torch.tensor([(i, j) for i in range(k) for j in range(k) if (i + 1) * (j + 1) <= k]).T
