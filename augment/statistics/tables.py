"""Turns statistics into two tables of text, one of counts and one of diversity, for terminal and card alike."""

from collections.abc import Sequence

from augment.statistics.measure import Figures, Statistics

Table = tuple[list[str], list[list[str]]]
COUNT_HEADS = "strategy units notes kept yield faithful leaked tokens-in tokens-out words".split()
DIVERSITY_HEADS = "strategy sample distinct-1 distinct-2 distinct-3 self-BLEU compression".split()


def count_table(statistics: Statistics) -> Table:
    """Heads and rows: what became of each strategy's units. `words` is the mean length of a kept note."""
    return COUNT_HEADS, [[name, *count_cells(figures)] for name, figures in named_rows(statistics)]


def count_cells(figures: Figures) -> list[str]:
    """One row of counts, without its name."""
    numbers = [figures.units, figures.notes, figures.kept]
    shares = [show(s and 100 * s, 1, " %") for s in (figures.yield_share, figures.faithful_share)]
    tokens = [figures.prompt_tokens, figures.completion_tokens]
    leaked = f"{figures.leaked:,}"
    return [*(f"{n:,}" for n in numbers), *shares, leaked, *(f"{n:,}" for n in tokens), show(figures.mean_words, 1)]


def reason_table(statistics: Statistics) -> Table:
    """Heads and rows: rejected notes by reason, the most frequent first, one column per strategy and the total."""
    named = named_rows(statistics)
    rows = [[r, *(f"{f.rejected.get(r, 0):,}" for _, f in named)] for r in statistics.total.rejected]
    return ["reason", *(name for name, _ in named)], rows


def diversity_table(statistics: Statistics) -> Table:
    """Heads and rows: how much the kept notes of each strategy repeat each other."""
    rows = []
    for name, figures in named_rows(statistics):
        d = figures.diversity
        distinct = [show(share, 3) for share in (d.distinct_1, d.distinct_2, d.distinct_3)]
        rows.append([name, f"{d.num_notes:,}", *distinct, show(d.self_bleu, 1), show(d.compression_ratio, 2)])
    return DIVERSITY_HEADS, rows


def named_rows(statistics: Statistics) -> Sequence[tuple[str, Figures]]:
    """Strategies by name, then the total."""
    return [*statistics.strategies.items(), ("total", statistics.total)]


def show(value: float | None, digits: int, unit: str = "") -> str:
    """The number, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}{unit}"
