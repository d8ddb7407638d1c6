"""Turns what the dataset holds of the questions into tables: facts that no note tells, and figures without leaks."""

from collections.abc import Sequence

from train.report.bounds import estimate_share
from train.report.cells import ABSENT, Cell, Column, Row, Table, write_percent
from train.report.compare import Comparison, MethodSummary, Spread
from train.report.estimates import sizes_of
from train.report.measures import Measure, constant, make_table
from train.report.results import FactPlaces, Material, RunResult
from train.report.sums import Read, leave_out, read_kept, read_kind

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
    measures = []
    for name, read in (("Held-out recall", read_kind("held_out")), ("Known kept", read_kept)):
        measures.append(_measure_share(name, read, comparison))
        measures.append(_measure_share("without leaks", leave_out(material.leaked, read), comparison))
    return make_table("With and without the questions that stand in a kept note.", measures, comparison)


def _measure_share(name: str, read: Read, comparison: Comparison) -> Measure:
    n = int(sizes_of(comparison.base, read).sum())
    column, interval = Column(name, f"n = {n}"), estimate_share(comparison, read)
    if n == 0:
        return Measure(column, lambda m: constant(0), lambda spread: Cell(ABSENT))
    return Measure(column, lambda m: _spread_share(m, comparison.base, read), write_percent, interval=interval)


def _spread_share(method: MethodSummary, base: RunResult, read: Read) -> Spread:
    """Over a method's runs, of one question at least."""
    found = [list(read(run, base).values()) for run in method.results]
    shares = [sum(right for right, _ in sums) / sum(number for _, number in sums) for sums in found]
    return Spread(sum(shares) / len(shares), min(shares), max(shares), len(shares))


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
