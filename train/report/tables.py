"""Turns figures into tables of formatted cells, once, so that terminal, Markdown and HTML show the same."""

from collections.abc import Callable, Sequence

from train.report.bounds import (
    estimate_answer_nll,
    estimate_kl,
    estimate_percent,
    estimate_perplexity,
    estimate_perplexity_change,
    estimate_share,
    estimate_words,
)
from train.report.cells import (
    ABSENT,
    MINUS,
    PHRASING_NAMES,
    Cell,
    Column,
    Row,
    Table,
    write_change,
    write_count,
    write_decimal,
    write_nats,
    write_percent,
    write_share,
)
from train.report.compare import Comparison, MethodSummary, Spread
from train.report.intervals import Z_95
from train.report.measures import Measure, constant, make_table
from train.report.results import Judged, NoteCounts, Phrasing, TaskScore
from train.report.sums import (
    read_answer_nll,
    read_f1,
    read_fluency,
    read_gained,
    read_kept,
    read_kind,
    read_locality,
    read_lost,
)

TEXT_NAMES = {"document": "About documents", "general": "General"}


def make_headline_table(comparison: Comparison) -> Table:
    measures = [
        _measure_recall(comparison, "cue", "Trained form recall"),
        _measure_recall(comparison, "held_out", "Held-out recall"),
        _measure_kept(comparison),
        _measure_perplexity_change(comparison),
    ]
    measures = measures if comparison.base.recall("cue").n else measures[1:]
    return make_table("Learning and forgetting of each method.", measures, comparison)


def make_recall_table(comparison: Comparison) -> Table:
    measures = [_measure_recall(comparison, phrasing, PHRASING_NAMES[phrasing]) for phrasing in comparison.phrasings]
    return make_table("Recall by phrasing: exact match.", measures, comparison)


def make_overlap_table(comparison: Comparison) -> Table:
    measures = []
    for phrasing in [phrasing for phrasing in comparison.phrasings if phrasing != "choice"]:
        column = Column(PHRASING_NAMES[phrasing], f"n = {comparison.base.recall(phrasing).n}")
        interval = estimate_percent(comparison, read_f1(phrasing))
        measures.append(Measure(column, _read_f1(phrasing), write_percent, "highest", interval=interval))
    measures += _measure_answer_nll(comparison)
    return make_table("Recall by phrasing: token F1, the overlap of words.", measures, comparison)


def _measure_answer_nll(comparison: Comparison) -> list[Measure]:
    """How far the right answer is from being written: it moves long before a small model answers."""
    sizes = read_answer_nll(comparison.base, comparison.base)
    if not sizes or not all(method.answer_nll for method in comparison.methods):
        return []
    column = Column("Right answer's NLL", f"nats an answer, n = {len(sizes)}")
    return [Measure(column, _read_answer_nll, write_decimal, "lowest", interval=estimate_answer_nll(comparison))]


def _read_answer_nll(method: MethodSummary) -> Spread:
    return method.answer_nll or constant(0)


def _read_f1(phrasing: Phrasing) -> Callable[[MethodSummary], Spread]:
    return lambda method: method.recall_f1[phrasing]


def make_forgetting_table(comparison: Comparison) -> Table:
    known, lost, gained = _name_known_columns(comparison)
    perplexity = Column("Perplexity", _count_tokens(comparison))
    measures = [
        _measure_kept(comparison),
        Measure(lost, lambda m: m.lost, write_count, "lowest", "absent",
                estimate_share(comparison, read_lost, comparison.base.retention.num_known)),
        Measure(gained, lambda m: m.gained, write_count, "none", "absent",
                estimate_share(comparison, read_gained, _count_unknown(comparison))),
        Measure(known, lambda m: m.known_f1, write_percent, "highest",
                interval=estimate_percent(comparison, read_f1("known"))),
        Measure(perplexity, lambda m: m.perplexity, write_decimal, "lowest", interval=estimate_perplexity(comparison)),
        _measure_perplexity_change(comparison),
    ]  # fmt: skip
    if all(method.kl for method in comparison.methods):
        column = Column("KL", f"nats a token, {_count_tokens(comparison)}")
        measures.append(Measure(column, _read_kl, write_nats, "lowest", "absent", estimate_kl(comparison)))
    measures += [_measure_unchanged(comparison, name, n) for name, n in comparison.localities.items()]
    return make_table("Forgetting: known answers, general text, outputs that are to stay.", measures, comparison)


def _name_known_columns(comparison: Comparison) -> tuple[Column, Column, Column]:
    """F1 on all general questions; those lost of the known ones, those gained of the others."""
    retention = comparison.base.retention
    return (
        Column("Known F1", f"n = {retention.n}"),
        Column("Lost", f"1→0, n = {retention.num_known}"),
        Column("Gained", f"0→1, n = {_count_unknown(comparison)}"),
    )


def _count_unknown(comparison: Comparison) -> int:
    return comparison.base.retention.n - comparison.base.retention.num_known


def _count_tokens(comparison: Comparison) -> str:
    return f"n = {comparison.base.general.num_tokens:,}"


def _measure_unchanged(comparison: Comparison, name: str, n: int) -> Measure:
    """Outputs as the base's, by set; the base's own are by definition."""
    column, interval = Column(f"{name} unchanged", f"n = {n}"), estimate_share(comparison, read_locality(name))
    return Measure(column, lambda m: m.unchanged[name], write_percent, "highest", "absent", interval)


def make_fluency_table(comparison: Comparison) -> Table | None:
    """Free continuations by kind of text; None where no run has any."""
    kinds = [kind for kind in TEXT_NAMES if all(kind in method.fluency for method in comparison.methods)]
    measures = []
    for kind in kinds:
        n = comparison.base.fluency[kind].n
        repeated, words = (Column(f"{TEXT_NAMES[kind]}: {what}", f"n = {n}") for what in ("repeated", "words"))
        interval = estimate_percent(comparison, read_fluency(kind, 0))
        measures.append(Measure(repeated, _read_fluency(kind, 0), write_percent, "lowest", interval=interval))
        measures.append(Measure(words, _read_fluency(kind, 1), write_count, interval=estimate_words(comparison, kind)))
    caption = "Free continuations: share of 4-word sequences that stood before, and length."
    return make_table(caption, measures, comparison) if kinds else None


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
    caption = "Tasks of lm-evaluation-harness, with 95 % intervals from their standard errors, by run."
    return Table(caption, "Run", columns, tuple(rows)) if names else None


def _write_task(score: TaskScore) -> Cell:
    if score.stderr is None:
        return Cell(f"{score.value:.3f}")
    low, high = score.value - Z_95 * score.stderr, score.value + Z_95 * score.stderr
    return Cell(f"{score.value:.3f}", f"[{low:.3f}, {high:.3f}]".replace("-", MINUS))


def make_judge_table(comparison: Comparison) -> Table | None:
    """Verdicts of a judge, a row for each run; None where none was asked."""
    judged = [(i, run.result) for i, m in enumerate(comparison.methods) for run in m.runs if run.result.judged]
    names = dict.fromkeys(name for _, run in judged if run.judged for name in run.judged.verdicts)
    rows = [Row(run.run, _list_verdicts(run.judged, list(names)), i) for i, run in judged if run.judged]
    columns = [*(Column(name.replace("_", " ").capitalize()) for name in names), Column("As exact match"), Column("κ")]
    model = next((run.judged.model for _, run in judged if run.judged), "")
    n = next((run.judged.n for _, run in judged if run.judged), 0)
    caption = f"Verdicts of the judge {model} on n = {n} answers a run, and its agreement with exact match."
    return Table(caption, "Run", tuple(columns), tuple(rows)) if rows else None


def _list_verdicts(judged: Judged, names: Sequence[str]) -> tuple[Cell, ...]:
    shares = [judged.verdicts.get(name, 0) / judged.n for name in names] + [judged.agreement]
    cells = [write_share(Spread(share, share, share, 1), judged.n) for share in shares]
    return (*cells, Cell(ABSENT if judged.kappa is None else f"{judged.kappa:.2f}".replace("-", MINUS)))


def _read_kl(method: MethodSummary) -> Spread:
    return method.kl or constant(0)


def _read_fluency(kind: str, place: int) -> Callable[[MethodSummary], Spread]:
    return lambda method: method.fluency[kind][place]


def make_cost_table(comparison: Comparison) -> Table:
    measures = [
        Measure(Column("Runs"), lambda m: constant(len(m.runs)), write_count),
        Measure(Column("Tokens trained"), lambda m: m.tokens_trained, write_count, of_base="absent"),
        Measure(Column("Seconds"), lambda m: m.train_sec, write_count, of_base="absent"),
        Measure(Column("Trained values"), lambda m: m.trainable_parameters, write_count, of_base="absent"),
    ]
    return make_table("Cost of training.", measures, comparison)


def make_notes_tables(notes: NoteCounts) -> tuple[Table, Table]:
    """Notes kept by strategy, and notes rejected by reason, each with its share of all notes."""
    rejected = sum(notes.rejected_by_reason.values())
    total = notes.kept + rejected
    return (
        _make_counts_table("Notes kept, by strategy.", "Strategy", notes.kept_by_strategy, notes.kept, total),
        _make_counts_table("Notes rejected, by reason.", "Reason", notes.rejected_by_reason, rejected, total),
    )


def _measure_recall(comparison: Comparison, phrasing: Phrasing, name: str) -> Measure:
    n = comparison.base.recall(phrasing).n
    column, interval = Column(name, f"n = {n}"), estimate_share(comparison, read_kind(phrasing))
    return Measure(column, lambda m: m.recall_em[phrasing], _write_share_of(n), "highest", interval=interval)


def _measure_kept(comparison: Comparison) -> Measure:
    """The base keeps all it knows by definition, so its row states nothing."""
    n = comparison.base.retention.num_known
    column, interval = Column("Known kept", f"n = {n}"), estimate_share(comparison, read_kept)
    return Measure(column, lambda m: m.kept, _write_share_of(n), "highest", "absent", interval)


def _write_share_of(n: int) -> Callable[[Spread], Cell]:
    return lambda spread: write_percent(spread) if n else Cell(ABSENT)


def _measure_perplexity_change(comparison: Comparison) -> Measure:
    column, interval = Column("Perplexity change", _count_tokens(comparison)), estimate_perplexity_change(comparison)
    return Measure(column, lambda m: m.perplexity_change, write_change, "lowest", "absent", interval)


def _make_counts_table(caption: str, corner: str, counts: dict[str, int], subtotal: int, total: int) -> Table:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows = [_make_count_row(name, count, total) for name, count in ordered]
    rows.append(_make_count_row("Together", subtotal, total))
    return Table(caption, corner, (Column("Notes"), Column("Share of all")), tuple(rows))


def _make_count_row(name: str, count: int, total: int) -> Row:
    share = f"{100 * count / total:.1f} %" if total else ABSENT
    return Row(name, (Cell(f"{count:,}"), Cell(share)))
