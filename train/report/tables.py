"""Turns figures into tables of formatted cells, once, so that terminal, Markdown and HTML show the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from train.report.compare import Comparison, MethodSummary, Spread
from train.report.intervals import wilson_interval
from train.report.results import NoteCounts, Phrasing, TaskScore

PHRASING_NAMES: dict[Phrasing, str] = {"cue": "Cue", "held_out": "Held-out", "reversed": "Reversed"}
TEXT_NAMES = {"document": "About documents", "general": "General"}
ABSENT, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure, its interval if it has one, whether it is the best of its column, and whether it may be chance."""

    text: str
    interval: str = ""
    best: bool = False
    faint: bool = False

    @property
    def line(self) -> str:
        return f"{self.text} {self.interval}".strip()


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    note: str = ""

    @property
    def line(self) -> str:
        return f"{self.name} ({self.note})" if self.note else self.name


@dataclass(frozen=True, slots=True)
class Row:
    """`series` is the colour of the row's method, as in the plots; None where rows are not methods."""

    name: str
    cells: tuple[Cell, ...]
    series: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    caption: str
    corner: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """One column over methods: what to read, how to write it, and which end is best."""

    column: Column
    read: Callable[[MethodSummary], Spread]
    write: Callable[[Spread], Cell]
    best: Literal["highest", "lowest", "none"] = "none"
    of_base: Literal["shown", "absent"] = "shown"


def make_headline_table(comparison: Comparison) -> Table:
    measures = [
        _measure_recall(comparison, "cue", "Trained form recall"),
        _measure_recall(comparison, "held_out", "Held-out recall"),
        _measure_kept(comparison),
        _measure_perplexity_change(),
    ]
    measures = measures if comparison.base.learning["cue"].n else measures[1:]
    return _make_table("Learning and forgetting of each method.", measures, comparison)


def make_recall_table(comparison: Comparison) -> Table:
    measures: list[Measure] = []
    for phrasing in comparison.phrasings:
        measures.append(_measure_recall(comparison, phrasing, f"{PHRASING_NAMES[phrasing]} EM"))
        column = Column(f"{PHRASING_NAMES[phrasing]} F1")
        measures.append(Measure(column, _read_f1(phrasing), write_percent, "highest"))
    return _make_table("Recall by phrasing: exact match (EM) and token F1.", measures, comparison)


def _read_f1(phrasing: Phrasing) -> Callable[[MethodSummary], Spread]:
    return lambda method: method.recall_f1[phrasing]


def make_forgetting_table(comparison: Comparison) -> Table:
    known = Column("Known F1", f"n = {comparison.base.retention.n}")
    measures = [
        _measure_kept(comparison),
        Measure(Column("Lost", "1→0"), lambda m: m.lost, write_count, "lowest", "absent"),
        Measure(Column("Gained", "0→1"), lambda m: m.gained, write_count, "none", "absent"),
        Measure(known, lambda m: m.known_f1, write_percent, "highest"),
        Measure(Column("Perplexity"), lambda m: m.perplexity, write_decimal, "lowest"),
        _measure_perplexity_change(),
    ]
    if all(method.kl for method in comparison.methods):
        measures.append(Measure(Column("KL", "nats a token"), _read_kl, write_nats, "lowest", "absent"))
    return _make_table("Forgetting: known answers and general text.", measures, comparison)


def make_fluency_table(comparison: Comparison) -> Table | None:
    """Free continuations by kind of text; None where no run has any."""
    kinds = [kind for kind in TEXT_NAMES if all(kind in method.fluency for method in comparison.methods)]
    measures = []
    for kind in kinds:
        n = comparison.base.fluency[kind].n
        repeated = Column(f"{TEXT_NAMES[kind]}: repeated", f"n = {n}")
        measures.append(Measure(repeated, _read_fluency(kind, 0), write_percent, "lowest"))
        measures.append(Measure(Column(f"{TEXT_NAMES[kind]}: words"), _read_fluency(kind, 1), write_count))
    caption = "Free continuations: share of 4-word sequences that stood before, and length."
    return _make_table(caption, measures, comparison) if kinds else None


def make_task_table(comparison: Comparison) -> Table | None:
    """Tasks of lm-evaluation-harness, a row for each run; None where no run did any."""
    names = dict.fromkeys((s.task, s.metric, s.n) for run in comparison.runs for s in run.result.task_scores)
    rows = []
    for series, method in enumerate(comparison.methods):
        for run in method.runs:
            scores = {(s.task, s.metric, s.n): s for s in run.result.task_scores}
            cells = tuple(_write_task(scores[name]) if name in scores else Cell(ABSENT) for name in names)
            rows.append(Row(run.result.run, cells, series))
    columns = tuple(Column(f"{task} {metric}", f"n = {n}") for task, metric, n in names)
    caption = "Tasks of lm-evaluation-harness: value ± standard error, by run."
    return Table(caption, "Run", columns, tuple(rows)) if names else None


def _write_task(score: TaskScore) -> Cell:
    error = "" if score.stderr is None else f" ± {score.stderr:.3f}"
    return Cell(f"{score.value:.3f}{error}")


def _read_kl(method: MethodSummary) -> Spread:
    return method.kl or _constant(0)


def _read_fluency(kind: str, place: int) -> Callable[[MethodSummary], Spread]:
    return lambda method: method.fluency[kind][place]


def make_cost_table(comparison: Comparison) -> Table:
    measures = [
        Measure(Column("Runs"), lambda m: _constant(len(m.runs)), write_count),
        Measure(Column("Tokens trained"), lambda m: m.tokens_trained, write_count, of_base="absent"),
        Measure(Column("Seconds"), lambda m: m.train_sec, write_count, of_base="absent"),
        Measure(Column("Trained values"), lambda m: m.trainable_parameters, write_count, of_base="absent"),
    ]
    return _make_table("Cost of training.", measures, comparison)


def make_notes_tables(notes: NoteCounts) -> tuple[Table, Table]:
    """Notes kept by strategy, and notes rejected by reason, each with its share of all notes."""
    rejected = sum(notes.rejected_by_reason.values())
    total = notes.kept + rejected
    return (
        _make_counts_table("Notes kept, by strategy.", "Strategy", notes.kept_by_strategy, notes.kept, total),
        _make_counts_table("Notes rejected, by reason.", "Reason", notes.rejected_by_reason, rejected, total),
    )


def write_share(spread: Spread, n: int) -> Cell:
    """A share of n questions with its Wilson interval; over seeds the interval stays that of one run's n."""
    if n == 0:
        return Cell(ABSENT)
    low, high = wilson_interval(spread.mean, n)
    return Cell(write_percent(spread).text, f"[{100 * low:.0f}, {100 * high:.0f}]")


def write_percent(spread: Spread) -> Cell:
    return Cell(f"{100 * spread.mean:.0f} %{_write_range(spread, lambda value: f'{100 * value:.0f}')}")


def write_change(spread: Spread) -> Cell:
    """A relative change against the base, with its sign."""
    return Cell(write_signed(spread.mean) + _write_range(spread, lambda value: f"{100 * value:.1f}"))


def write_signed(change: float) -> str:
    return f"{100 * change:+.1f} %".replace("-", MINUS)


def write_count(spread: Spread) -> Cell:
    return Cell(f"{_round_count(spread.mean)}{_write_range(spread, _round_count)}")


def write_decimal(spread: Spread) -> Cell:
    return Cell(f"{spread.mean:,.2f}{_write_range(spread, lambda value: f'{value:,.2f}')}")


def write_nats(spread: Spread) -> Cell:
    return Cell(f"{spread.mean:.3f}{_write_range(spread, lambda value: f'{value:.3f}')}")


def _write_range(spread: Spread, write: Callable[[float], str]) -> str:
    return f" ± {write(spread.half_range)}" if spread.high > spread.low else ""


def _round_count(value: float) -> str:
    """Half a lost answer is worth showing when few are counted, never in a million tokens."""
    return f"{value:,.1f}" if value < 100 and value != int(value) else f"{value:,.0f}"


def _constant(value: int) -> Spread:
    return Spread(value, value, value, 1)


def _measure_recall(comparison: Comparison, phrasing: Phrasing, name: str) -> Measure:
    n = comparison.base.learning[phrasing].n
    column = Column(name, f"n = {n}")
    return Measure(column, lambda m: m.recall_em[phrasing], lambda spread: write_share(spread, n), "highest")


def _measure_kept(comparison: Comparison) -> Measure:
    """The base keeps all it knows by definition, so its row states nothing."""
    n = comparison.base.retention.num_known
    column = Column("Known kept", f"n = {n}")
    return Measure(column, lambda m: m.kept, lambda spread: write_share(spread, n), "highest", "absent")


def _measure_perplexity_change() -> Measure:
    column = Column("Perplexity change")
    return Measure(column, lambda m: m.perplexity_change, write_change, "lowest", "absent")


def _make_table(caption: str, measures: Sequence[Measure], comparison: Comparison) -> Table:
    columns = [_write_column(measure, comparison) for measure in measures]
    rows = [Row(method.label, tuple(column[i] for column in columns), i) for i, method in enumerate(comparison.methods)]
    return Table(caption, "Method", tuple(measure.column for measure in measures), tuple(rows))


def _write_column(measure: Measure, comparison: Comparison) -> list[Cell]:
    base, *trained = [measure.write(measure.read(method)) for method in comparison.methods]
    means = [measure.read(method).mean for method in comparison.trained]
    best = _find_best(means, [cell.text for cell in trained], measure.best)
    shown = base if measure.of_base == "shown" else Cell(ABSENT)
    return [shown, *(Cell(cell.text, cell.interval, i in best) for i, cell in enumerate(trained))]


def _find_best(means: list[float], texts: list[str], end: Literal["highest", "lowest", "none"]) -> set[int]:
    """Positions of the best and of those whose mean reads the same; none where all do."""
    if end == "none" or len(means) < 2:
        return set()
    top = texts[means.index(max(means) if end == "highest" else min(means))].split(" ±")[0]
    best = {i for i, text in enumerate(texts) if text.split(" ±")[0] == top}
    return best if len(best) < len(texts) else set()


def _make_counts_table(caption: str, corner: str, counts: dict[str, int], subtotal: int, total: int) -> Table:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows = [_make_count_row(name, count, total) for name, count in ordered]
    rows.append(_make_count_row("Together", subtotal, total))
    return Table(caption, corner, (Column("Notes"), Column("Share of all")), tuple(rows))


def _make_count_row(name: str, count: int, total: int) -> Row:
    share = f"{100 * count / total:.1f} %" if total else ABSENT
    return Row(name, (Cell(f"{count:,}"), Cell(share)))
