"""Turns what the dataset holds of the questions into tables: facts that no note tells, and figures without leaks."""

from collections.abc import Callable, Sequence

from train.report.cells import ABSENT, Cell, Column, Row, Table
from train.report.compare import Comparison
from train.report.intervals import wilson_interval
from train.report.results import Answer, FactPlaces, Material, RunResult

LEAKABLE = ("held_out", "reversed", "two_hop", "known")


def make_coverage_table(material: Material) -> Table | None:
    """By document: facts whose answer stands in a studied chunk, and in a kept note; None without facts."""
    documents = dict.fromkeys(fact.document for fact in material.facts)
    rows = [Row(d, _count_facts([f for f in material.facts if f.document == d])) for d in documents]
    if not rows:
        return None
    rows.append(Row("Together", _count_facts(material.facts)))
    columns = (Column("Facts"), Column("In a chunk"), Column("In a kept note"), Column("In none"))
    caption = "Facts whose answer stands in the notes, by document."
    return Table(caption, "Document", columns, tuple(rows))


def _count_facts(facts: Sequence[FactPlaces]) -> tuple[Cell, ...]:
    in_chunk = [fact.num_chunks for fact in facts if fact.num_chunks is not None]
    chunks = f"{sum(map(bool, in_chunk))}" if in_chunk else ABSENT
    told = sum(fact.num_kept > 0 for fact in facts)
    return tuple(Cell(text) for text in (f"{len(facts)}", chunks, f"{told}", f"{len(facts) - told}"))


def make_untold_table(material: Material) -> Table | None:
    """The facts that never made it into a kept note; None when there is none."""
    columns = (Column("Document"), Column("Answer"), Column("Chunks with it"), Column("Rejected notes with it"))
    rows = []
    for fact in list_untold(material):
        chunks = ABSENT if fact.num_chunks is None else str(fact.num_chunks)
        cells = (fact.document, fact.answer, chunks, str(fact.num_rejected))
        rows.append(Row(fact.id, tuple(map(Cell, cells))))
    return Table("Facts whose answer stands in no kept note.", "Fact", columns, tuple(rows)) if rows else None


def list_untold(material: Material) -> list[FactPlaces]:
    """The facts whose answer stands in no kept note of their document."""
    return [fact for fact in material.facts if not fact.num_kept]


def make_leakage_table(comparison: Comparison, material: Material) -> Table | None:
    """Figures over all questions and over those that stand in no kept note; None when no question does."""
    if not material.leaked:
        return None
    figures: list[tuple[str, Callable[[RunResult], list[Answer]]]] = [
        ("Held-out recall", lambda run: [a for a in run.answers if a.kind == "held_out"]),
        ("Known kept", lambda run: _list_known(run, comparison.base)),
    ]
    columns, columns_of_rows = list[Column](), list[list[Cell]]()
    for name, read in figures:
        n = [len(_choose(read(comparison.base), leaked)) for leaked in (frozenset(), material.leaked)]
        columns += [Column(name, f"n = {n[0]}"), Column("without leaks", f"n = {n[1]}")]
        for leaked in (frozenset(), material.leaked):
            columns_of_rows.append(
                [
                    _write_mean([_choose(read(run.result), leaked) for run in method.runs])
                    for method in comparison.methods
                ]
            )
    rows = [Row(m.label, tuple(cells[i] for cells in columns_of_rows), i) for i, m in enumerate(comparison.methods)]
    return Table("With and without the questions that stand in a kept note.", "Method", tuple(columns), tuple(rows))


def _list_known(run: RunResult, base: RunResult) -> list[Answer]:
    known = {answer.question for answer in base.answers if answer.kind == "known" and answer.em}
    return [answer for answer in run.answers if answer.question in known]


def _choose(answers: Sequence[Answer], leaked: frozenset[str]) -> list[Answer]:
    return [answer for answer in answers if answer.prompt not in leaked]


def _write_mean(runs: Sequence[Sequence[Answer]]) -> Cell:
    """Mean over runs of the share of right answers, with the interval of one run's n."""
    if not runs[0]:
        return Cell(ABSENT)
    share = sum(sum(answer.em for answer in answers) / len(answers) for answers in runs) / len(runs)
    low, high = wilson_interval(share, len(runs[0]))
    return Cell(f"{100 * share:.0f} %", f"[{100 * low:.0f}, {100 * high:.0f}]")


def count_leaks(comparison: Comparison, material: Material) -> dict[str, dict[str, int]]:
    """By kind of question: how many are asked, and how many of them stand in a kept note."""
    counts = {}
    for kind in LEAKABLE:
        asked = [answer.prompt for answer in comparison.base.answers if answer.kind == kind]
        counts[kind] = {"n": len(asked), "leaked": sum(prompt in material.leaked for prompt in asked)}
    return counts


def describe_leaks(comparison: Comparison, material: Material) -> str:
    """One sentence on how much of what is asked stands in the notes as it is asked."""
    names = {"held_out": "held-out", "reversed": "reversed", "two_hop": "two-hop", "known": "general"}
    counts = count_leaks(comparison, material).items()
    parts = [f"{c['leaked']} of {c['n']:,} {names[kind]} questions" for kind, c in counts if c["n"]]
    return f"In kept notes stand, word by word or nearly: {', '.join(parts)}."
