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
from dataclasses import dataclass, replace

from train.report.cells import MINUS, Cell, Column, Row, Table, write_change, write_share
from train.report.compare import Comparison, MethodSummary, Spread
from train.report.fronts import find_front, measure_area, reach
from train.report.matched_draws import MatchedIntervals, Values, draw_figures, draw_weights, find_intervals
from train.report.matched_pairs import Drawn, MatchedPair, compare_matched, make_matched_pairs_table
from train.report.results import CurvePoint, RunResult

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
    intervals: MatchedIntervals | None = None


@dataclass(frozen=True, slots=True)
class MatchedLearning:
    """The watched methods at the same `levels` of held-out recall; `unwatched` are trained methods without curves.

    `differences` are of those whose curves say what they are made of.
    """

    levels: tuple[float, ...]
    methods: tuple[Matched, ...]
    unwatched: tuple[str, ...]
    differences: tuple[MatchedPair, ...]


def match_learning(comparison: Comparison) -> MatchedLearning | None:
    """None when no run was watched. A method counts as watched when all its runs were."""
    watched = {i: m for i, m in enumerate(comparison.methods) if all(run.result.curve for run in m.runs)}
    if not watched:
        return None
    trained = [m for m in comparison.trained if any(run.result.tokens_trained for run in m.runs)]
    names = {method.label for method in watched.values()}
    levels = choose_levels(list(watched.values()), comparison.base)
    weights = draw_weights(comparison.base)
    figures = {i: draw_figures(method, i, levels, comparison.base, weights) for i, method in watched.items()}
    methods = tuple(match_method(method, i, levels, comparison.base, figures[i]) for i, method in watched.items())
    drawn = [Drawn(m.label, means_of(m), f[:, : len(levels)]) for m in methods if (f := figures[m.series]) is not None]
    differences = compare_matched(drawn, comparison.base.retention.num_known)
    unwatched = tuple(method.label for method in trained if method.label not in names)
    return MatchedLearning(levels, methods, unwatched, differences)


def means_of(method: Matched) -> tuple[float, ...]:
    """What a method kept at each level, over its runs."""
    return tuple(spread.mean for spread in method.kept)


def choose_levels(methods: Sequence[MethodSummary], base: RunResult) -> tuple[float, ...]:
    """Recall levels above the base's that every run of every method reaches; none when some run learned nothing."""
    start = base.recall("held_out").em
    paths = [trace_path(run.result, base) for method in methods for run in method.runs]
    end = min(max(point.recall for point in path) for path in paths)
    steps = range(1, NUM_LEVELS + 1)
    return tuple(min(end, start + (end - start) * i / NUM_LEVELS) for i in steps) if end > start else ()


def match_method(
    method: MethodSummary, series: int, levels: Sequence[float], base: RunResult, figures: Values | None
) -> Matched:
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
        intervals=None if figures is None else find_intervals(figures),
    )


def trace_path(run: RunResult, base: RunResult) -> tuple[CurvePoint, ...]:
    """From the base model through the watched points to the finished run."""
    start, end = point_of(base, 0), point_of(run, run.curve[-1].step)
    return (start, *run.curve, *([] if run.curve[-1] == end else [end]))


def point_of(run: RunResult, step: int) -> CurvePoint:
    """A finished run as a point."""
    return CurvePoint(step, run.recall("held_out").em, run.retention.kept, run.general.nll)


def spread_of(values: Sequence[float]) -> Spread:
    """Mean and range over runs."""
    return Spread(sum(values) / len(values), min(values), max(values), len(values))


def make_matched_tables(matched: MatchedLearning, comparison: Comparison) -> tuple[Table, ...]:
    """Known answers kept, their differences, and change of loss, at each level of recall; the first has the area under
    the front, too.
    """
    num_known, num_tokens = comparison.base.retention.num_known, comparison.base.general.num_tokens
    levels = [f"{100 * level:.0f} %" for level in matched.levels]
    rows = [(method.label, method.series, write_method(method, num_known)) for method in matched.methods]
    kept = tuple(Row(label, (*cells[0], cells[2]), series) for label, series, cells in rows)
    change = tuple(Row(label, cells[1], series) for label, series, cells in rows)
    known = [Column(level, f"n = {num_known}") for level in levels]
    area = Column("Area", f"n = {comparison.base.recall('held_out').n}")
    tokens = tuple(Column(level, f"n = {num_tokens:,}") for level in levels)
    first = "Known answers kept when held-out recall first reaches a level, and the area under the front."
    second = "Change of loss on general text at the same levels of held-out recall."
    differences = make_matched_pairs_table(matched.differences, matched.levels)
    shown = (Table(first, "Method", (*known, area), kept), differences, Table(second, "Method", tokens, change))
    return tuple(table for table in shown if table)


def write_method(method: Matched, num_known: int) -> tuple[tuple[Cell, ...], tuple[Cell, ...], Cell]:
    """What was kept and how the loss changed at each level, and the area; bootstrapped where the curve has answers."""
    kept = [write_share(spread, num_known) for spread in method.kept]
    change, area = [write_change(spread) for spread in method.nll_change], Cell(f"{method.area:.2f}")
    if found := method.intervals:
        kept = [put_bounds(cell, bounds, "{:.0f}", 100) for cell, bounds in zip(kept, found.kept, strict=True)]
        change = [put_bounds(cell, b, "{:+.1f}", 100) for cell, b in zip(change, found.nll_change, strict=True)]
        area = put_bounds(area, found.area, "{:.2f}", 1)
    return tuple(kept), tuple(change), area


def put_bounds(cell: Cell, bounds: tuple[float, float], form: str, factor: float) -> Cell:
    """A cell with this interval."""
    low, high = (form.format(factor * value).replace("-", MINUS) for value in bounds)
    return replace(cell, interval=f"[{low}, {high}]")


def describe_limits(matched: MatchedLearning) -> str:
    """What is not in the tables, or read off a straight line, and why; "" when nothing is."""
    said = []
    if not matched.levels:
        said.append("Some run never recalled more than the base model, so no level of recall is common to all.")
    if lines := [line for method in matched.methods if (line := describe_lines(method, matched.levels))]:
        said.append(
            f"Read off a straight line from the base model even at {100 * matched.levels[-1]:.0f} %, which they had "
            f"passed when they were first asked: {', '.join(lines)}."
        )
    if matched.unwatched:
        said.append(f"Trained without train.watch, so without a curve: {', '.join(matched.unwatched)}.")
    return " ".join(said)


def describe_lines(method: Matched, levels: Sequence[float]) -> str:
    """How many of a method's runs were first asked beyond the highest level; "" when none was."""
    number = sum(path[1].recall > levels[-1] for path in method.paths) if levels else 0
    return f"{method.label} ({number} of {len(method.paths)} runs)" if number else ""
