"""Turns the curves of watched trainings into forgetting at equal learning, and into learning-versus-forgetting fronts.

A method that learned less also forgot less, so final figures alone favour the timid. Here each run is the path that it
took through (recall, kept, NLL) from the base model to its end:
1. The path is the base, then each watched point in order of steps, then the finished run.
2. What a run kept at a recall level is read where its path first reaches the level, linearly between two points.
3. The levels are quarters of the way from the base's recall to the highest recall that every method has reached.
4. The front of a method is what it kept at best at a recall or above it: the points of its runs that no other point
   beats in both. Its area (the hypervolume of Zitzler & Thiele 1999 above recall 0 and kept 0) is 1 for a method that
   learns all and forgets nothing; a recall that was never reached counts as nothing kept.
Methods that do not train, and runs that nobody watched, have no path.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from train.report.compare import Comparison, MethodSummary, Spread
from train.report.results import CurvePoint, RunResult
from train.report.tables import Cell, Column, Row, Table, write_change, write_share

NUM_LEVELS = 4


@dataclass(frozen=True, slots=True)
class Matched:
    """One method at equal learning: by level what its runs kept and how their loss changed, and its front.

    `series` is its colour; `paths` are those of its runs, `front` the best points, by rising recall.
    """

    label: str
    series: int
    paths: tuple[tuple[CurvePoint, ...], ...]
    kept: tuple[Spread, ...]
    nll_change: tuple[Spread, ...]
    front: tuple[CurvePoint, ...]
    area: float


@dataclass(frozen=True, slots=True)
class MatchedLearning:
    """The watched methods at the same `levels` of held-out recall; `unwatched` are trained methods without curves."""

    levels: tuple[float, ...]
    methods: tuple[Matched, ...]
    unwatched: tuple[str, ...]


def match_learning(comparison: Comparison) -> MatchedLearning | None:
    """None when no run was watched. A method counts as watched when all its runs were."""
    watched = {i: m for i, m in enumerate(comparison.methods) if all(run.result.curve for run in m.runs)}
    if not watched:
        return None
    trained = [m for m in comparison.trained if any(run.result.tokens_trained for run in m.runs)]
    names = {method.label for method in watched.values()}
    levels = choose_levels(list(watched.values()), comparison.base)
    methods = tuple(match_method(method, i, levels, comparison.base) for i, method in watched.items())
    return MatchedLearning(levels, methods, tuple(method.label for method in trained if method.label not in names))


def choose_levels(methods: Sequence[MethodSummary], base: RunResult) -> tuple[float, ...]:
    """Recall levels above the base's that every run of every method reaches; none when some run learned nothing."""
    start = base.recall("held_out").em
    paths = [trace_path(run.result, base) for method in methods for run in method.runs]
    end = min(max(point.recall for point in path) for path in paths)
    steps = range(1, NUM_LEVELS + 1)
    return tuple(min(end, start + (end - start) * i / NUM_LEVELS) for i in steps) if end > start else ()


def match_method(method: MethodSummary, series: int, levels: Sequence[float], base: RunResult) -> Matched:
    """One method over its runs."""
    paths = tuple(trace_path(run.result, base) for run in method.runs)
    reached = [[reach(path, level) for path in paths] for level in levels]
    front = find_front([point for path in paths for point in path])
    return Matched(
        label=method.label,
        series=series,
        paths=paths,
        kept=tuple(spread_of([point.kept for point in points]) for points in reached),
        nll_change=tuple(spread_of([point.nll / base.general.nll - 1 for point in points]) for points in reached),
        front=front,
        area=measure_area(front),
    )


def trace_path(run: RunResult, base: RunResult) -> tuple[CurvePoint, ...]:
    """From the base model through the watched points to the finished run."""
    start, end = point_of(base, 0), point_of(run, run.curve[-1].step)
    return (start, *run.curve, *([] if run.curve[-1] == end else [end]))


def point_of(run: RunResult, step: int) -> CurvePoint:
    """A finished run as a point."""
    return CurvePoint(step, run.recall("held_out").em, run.retention.kept, run.general.nll)


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


def spread_of(values: Sequence[float]) -> Spread:
    """Mean and range over runs."""
    return Spread(sum(values) / len(values), min(values), max(values), len(values))


def make_matched_tables(matched: MatchedLearning, comparison: Comparison) -> tuple[Table, Table]:
    """Known answers kept and change of loss at each level of recall; the first also has the area under the front."""
    levels = [Column(f"{100 * level:.0f} %") for level in matched.levels]
    num_known = comparison.base.retention.num_known
    kept, change = [], []
    for method in matched.methods:
        shares = tuple(write_share(spread, num_known) for spread in method.kept)
        kept.append(Row(method.label, (*shares, Cell(f"{method.area:.2f}")), method.series))
        change.append(Row(method.label, tuple(map(write_change, method.nll_change)), method.series))
    first = "Known answers kept when held-out recall first reaches a level, and the area under the front."
    second = "Change of loss on general text at the same levels of held-out recall."
    return (
        Table(first, "Method", (*levels, Column("Area")), tuple(kept)),
        Table(second, "Method", tuple(levels), tuple(change)),
    )


def describe_unwatched(matched: MatchedLearning) -> str:
    """What is not in the tables, and why; "" when nothing is missing."""
    said = []
    if not matched.levels:
        said.append("Some run never recalled more than the base model, so no level of recall is common to all.")
    if matched.unwatched:
        said.append(f"Trained without train.watch, so without a curve: {', '.join(matched.unwatched)}.")
    return " ".join(said)
