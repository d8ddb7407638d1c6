"""Turns a comparison into the differences between its methods, each with its interval, and into tables of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from train.report.bootstrap import Difference, bootstrap_difference
from train.report.cells import ABSENT, MINUS, PHRASING_NAMES, Cell, Column, Row, Table, write_points
from train.report.compare import Comparison, MethodSummary
from train.report.estimates import sizes_of, stack_sums
from train.report.results import RunResult
from train.report.sums import Read, read_answer_nll, read_kept, read_kind, read_loss

MAX_PAIRS = 15  # beyond, each method is compared to the base and to the one with the best recall alone


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that methods differ in: read from a run as sums by group; in points of per cent, or in nats."""

    key: str
    name: str
    read: Read
    in_percent: bool = True
    with_base: bool = True


@dataclass(frozen=True, slots=True)
class Pair:
    """Two methods and the differences first less second, by figure; None where a figure is not there for both."""

    first: str
    second: str
    differences: dict[str, Difference | None]


FIGURES = (
    *(Figure(kind, f"{name} recall", read_kind(kind)) for kind, name in PHRASING_NAMES.items()),
    Figure("answer_nll", "Right answer's NLL", read_answer_nll, in_percent=False),
    Figure("kept", "Known kept", read_kept, with_base=False),  # the base keeps all by definition
    Figure("known", "General questions", read_kind("known")),
    Figure("unchanged", "Outputs unchanged", read_kind("locality"), with_base=False),
    Figure("nll", "General loss", read_loss, in_percent=False),
)


def list_differences(comparison: Comparison) -> list[Pair]:
    """Every two methods, the one with the better held-out recall first, and each with the base.

    Of many methods only those with the base, and with the best method.
    """
    base, *trained = comparison.methods
    pairs = [*combinations(trained, 2), *((method, base) for method in trained)]
    if len(pairs) > MAX_PAIRS:
        pairs = [pair for pair in pairs if pair[0] is trained[0] or pair[1] is base]
    return [compare_pair(first, second, comparison.base) for first, second in pairs]


def compare_pair(first: MethodSummary, second: MethodSummary, base: RunResult) -> Pair:
    """All figures of two methods."""
    shown = [figure for figure in FIGURES if figure.with_base or not second.is_base]
    found = {figure.key: compare_figure(figure, first, second, base) for figure in shown}
    return Pair(first.label, second.label, {figure.key: found.get(figure.key) for figure in FIGURES})


def compare_figure(figure: Figure, first: MethodSummary, second: MethodSummary, base: RunResult) -> Difference | None:
    """One figure of two methods; None where some run does not have it, or has it of other texts."""
    ours, theirs = (stack_sums(method.results, base, figure.read) for method in (first, second))
    if ours is None or theirs is None:
        return None
    return bootstrap_difference(ours, theirs, sizes_of(base, figure.read))


def make_differences_table(pairs: Sequence[Pair]) -> Table:
    """A row for each pair, a column for each figure that some pair has."""
    figures = [figure for figure in FIGURES if any(pair.differences[figure.key] for pair in pairs)]
    rows = [
        Row(f"{pair.first} {MINUS} {pair.second}", tuple(write_difference(figure, pair) for figure in figures))
        for pair in pairs
    ]
    caption = "Differences between methods, in points of per cent, nats an answer and nats a token."
    return Table(caption, "Methods", tuple(name_column(figure, pairs) for figure in figures), tuple(rows))


def name_column(figure: Figure, pairs: Sequence[Pair]) -> Column:
    """The figure and how many questions or texts it is of."""
    found = next(difference for pair in pairs if (difference := pair.differences[figure.key]))
    return Column(figure.name, f"n = {found.n if figure.in_percent else found.num_groups}")


def write_difference(figure: Figure, pair: Pair) -> Cell:
    """The difference with its interval; faint where that holds 0."""
    if (found := pair.differences[figure.key]) is None:
        return Cell(ABSENT)
    mean, low, high = (write_signed(figure, value) for value in (found.mean, found.low, found.high))
    return Cell(mean, f"[{low}, {high}]", faint=not found.is_clear)


def write_signed(figure: Figure, value: float) -> str:
    """A difference in points of per cent, or in nats."""
    return write_points(value) if figure.in_percent else write_points(value, "{:+.3f}", 1)


def make_transitions_table(comparison: Comparison) -> Table:
    """Each run's known questions lost and gained, and how likely chance alone would make them so uneven."""
    columns = (Column("Lost", "1→0"), Column("Gained", "0→1"), Column("p", "McNemar, exact"))
    rows = []
    for series, method in enumerate(comparison.methods):
        for run in method.runs if series else ():
            counts = Cell(f"{len(run.lost)}"), Cell(f"{len(run.gained)}")
            p = Cell(f"{run.transition_p:.2g}", faint=run.transition_p >= 0.05)
            rows.append(Row(run.result.run, (*counts, p), series))
    n = comparison.base.retention.n
    return Table(f"Known questions whose answers changed, of {n:,}, by run.", "Run", columns, tuple(rows))
