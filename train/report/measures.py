"""A table over methods, column by column: what each reads of a method, and which end is best."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from train.report.cells import ABSENT, Cell, Column, Row, Table
from train.report.compare import Comparison, MethodSummary, Spread


@dataclass(frozen=True, slots=True)
class Measure:
    """One column over methods: what to read, how to write it, and which end is best; its interval where `write` has
    none.
    """

    column: Column
    read: Callable[[MethodSummary], Spread]
    write: Callable[[Spread], Cell]
    best: Literal["highest", "lowest", "none"] = "none"
    of_base: Literal["shown", "absent"] = "shown"
    interval: Callable[[MethodSummary], str] | None = None


def constant(value: int) -> Spread:
    return Spread(value, value, value, 1)


def make_table(caption: str, measures: Sequence[Measure], comparison: Comparison) -> Table:
    columns = [_write_column(measure, comparison) for measure in measures]
    rows = [Row(method.label, tuple(column[i] for column in columns), i) for i, method in enumerate(comparison.methods)]
    return Table(caption, "Method", tuple(measure.column for measure in measures), tuple(rows))


def _write_column(measure: Measure, comparison: Comparison) -> list[Cell]:
    base, *trained = [_write_measure(measure, method) for method in comparison.methods]
    means = [measure.read(method).mean for method in comparison.trained]
    best = _find_best(means, [cell.text for cell in trained], measure.best)
    shown = base if measure.of_base == "shown" else Cell(ABSENT)
    return [shown, *(Cell(cell.text, cell.interval, i in best) for i, cell in enumerate(trained))]


def _write_measure(measure: Measure, method: MethodSummary) -> Cell:
    cell = measure.write(measure.read(method))
    if measure.interval is None or (method.is_base and measure.of_base == "absent"):
        return cell
    return replace(cell, interval=measure.interval(method))


def _find_best(means: list[float], texts: list[str], end: Literal["highest", "lowest", "none"]) -> set[int]:
    """Positions of the best and of those whose mean reads the same; none where all do."""
    if end == "none" or len(means) < 2:
        return set()
    top = texts[means.index(max(means) if end == "highest" else min(means))].split(" ±")[0]
    best = {i for i, text in enumerate(texts) if text.split(" ±")[0] == top}
    return best if len(best) < len(texts) else set()
