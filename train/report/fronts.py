"""Reads a run's path from base to finished model: where it reaches a recall, and what nothing else on it beats."""

from collections.abc import Sequence
from itertools import pairwise

from train.report.results import CurvePoint


def reach(path: Sequence[CurvePoint], level: float) -> CurvePoint:
    """Where a path first reaches a recall level, which it does somewhere, linearly between its points."""
    for before, after in pairwise(path):
        if before.recall < level <= after.recall:
            share = (level - before.recall) / (after.recall - before.recall)
            kept = before.kept + share * (after.kept - before.kept)
            kept = min(1.0, max(0.0, kept))  # rounding must not leave what a share can be
            return CurvePoint(after.step, level, kept, before.nll + share * (after.nll - before.nll))
    return next(point for point in path if point.recall >= level)


def find_front(points: Sequence[CurvePoint]) -> tuple[CurvePoint, ...]:
    """The points that no other beats in recall and in kept, by rising recall."""
    front: list[CurvePoint] = []
    for point in sorted(points, key=lambda p: (-p.recall, -p.kept)):
        if not front or point.kept > front[-1].kept:
            front.append(point)
    return tuple(reversed(front))


def measure_area(front: Sequence[CurvePoint]) -> float:
    """Area under the steps of a front, 0 to 1."""
    starts = [0.0, *(point.recall for point in front)]
    return sum((point.recall - start) * point.kept for start, point in zip(starts, front, strict=False))
