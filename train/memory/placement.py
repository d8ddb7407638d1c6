"""Puts half keys where the notes are, so that their tokens find slots of their own and other texts find none near."""

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_POINTS = 20_000
ROUNDS = 12  # of the search for centres


def centre_points(points: Tensor, num: int, draw: torch.Generator) -> Tensor:
    """At most `num` unit vectors, each the mean direction of those of the points (T, e) that are nearest to it.

    Spherical k-means (Dhillon & Modha 2001), begun with points as far apart as can be. What is said of one thing in
    several phrasings then shares a key, where each phrasing would have one of its own among points far apart.
    """
    points = points[torch.randperm(len(points), generator=draw)[:MAX_POINTS].to(points.device)]
    centres = points[torch.randperm(len(points), generator=draw)[:num].to(points.device)]
    for _ in range(ROUNDS):
        nearest = (points @ centres.T).argmax(1)
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        centres = torch.where(sums.any(1, keepdim=True), F.normalize(sums, dim=-1), centres)
    return centres


def spread_points(points: Tensor, num: int, draw: torch.Generator) -> Tensor:
    """At most `num` of the unit vectors (T, e), as far apart as can be: (n, e), fewer when there are fewer.

    Farthest-first traversal (Gonzalez 1985), at most twice as coarse as the best choice:
    1. begin with a random point;
    2. add the point whose nearest chosen one is farthest from it, by cosine;
    3. repeat until there are `num` of them.
    """
    points = points[torch.randperm(len(points), generator=draw)[:MAX_POINTS].to(points.device)]
    chosen = [0]
    nearest = points @ points[0]
    for _ in range(min(num, len(points)) - 1):
        chosen.append(int(nearest.argmin()))
        nearest = torch.maximum(nearest, points @ points[chosen[-1]])
    return points[chosen]
