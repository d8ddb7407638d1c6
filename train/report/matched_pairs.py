"""What one method keeps more than another at equal learning, and how sure that is: the draws of both, paired."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from train.report.bootstrap import Difference
from train.report.cells import MINUS, Cell, Column, Row, Table, write_points
from train.report.matched_draws import Values

MAX_PAIRS = 15  # beyond, each method is compared to the one with the best recall alone


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a method kept at each of L levels, and in each draw: (NUM_DRAWS, L)."""

    label: str
    kept: tuple[float, ...]
    draws: Values


@dataclass(frozen=True, slots=True)
class MatchedPair:
    """Two methods; by level, what the first keeps of the known questions less what the second does."""

    first: str
    second: str
    kept: tuple[Difference, ...]


def compare_matched(methods: Sequence[Drawn], num_known: int) -> tuple[MatchedPair, ...]:
    """Every two methods, in their order; of many only those with the first."""
    pairs = list(combinations(methods, 2))
    if len(pairs) > MAX_PAIRS:
        pairs = [pair for pair in pairs if pair[0] is methods[0]]
    return tuple(compare_two(first, second, num_known) for first, second in pairs)


def compare_two(first: Drawn, second: Drawn, num_known: int) -> MatchedPair:
    """The differences of two methods; a draw is of the same questions for both."""
    means = [ours - theirs for ours, theirs in zip(first.kept, second.kept, strict=True)]
    bounds = np.quantile(first.draws - second.draws, [0.025, 0.975], axis=0).T.tolist()
    kept = [Difference(m, low, high, num_known, num_known) for m, (low, high) in zip(means, bounds, strict=True)]
    return MatchedPair(first.label, second.label, tuple(kept))


def make_matched_pairs_table(pairs: Sequence[MatchedPair], levels: Sequence[float]) -> Table | None:
    """A row for each pair, a column for each level; None without a pair or a level."""
    if not pairs or not levels:
        return None
    columns = tuple(Column(f"{100 * level:.0f} %", f"n = {pairs[0].kept[0].n}") for level in levels)
    rows = tuple(Row(f"{pair.first} {MINUS} {pair.second}", tuple(map(write_kept, pair.kept))) for pair in pairs)
    return Table("Known answers kept at the same levels: differences in points of per cent.", "Methods", columns, rows)


def write_kept(found: Difference) -> Cell:
    """The difference with its interval; faint where that holds 0."""
    mean, low, high = map(write_points, (found.mean, found.low, found.high))
    return Cell(mean, f"[{low}, {high}]", faint=not found.is_clear)
