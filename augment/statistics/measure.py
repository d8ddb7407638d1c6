"""Turns a dataset folder into its statistics, by strategy and in total, reading shard by shard."""

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from augment.batches import read_batches
from augment.shards import SPLITS, SUPERSEDED, count_rows
from augment.statistics.diversity import SAMPLE_NOTES, Diversity, measure_diversity
from augment.statistics.sample import Sample
from augment.yields import COLUMNS as SUMMED
from augment.yields import Yield, sum_table

# Reasons that say a note claims what its source does not; a reason may go on after its name.
UNFAITHFUL = ("unsupported", "unfaithful")
DOUBTS = pa.array(["contradicted", "not stated"])  # what a judge says of such notes, whether that rejects them or not
COLUMNS = [*SUMMED, "text", "note_id", "document_id", "title", "leaked_question", "judgement"]


@dataclass(slots=True)
class Count:
    """Sums over the notes of one strategy, or of all; `words` and `sample` are of kept ones.

    `leaked` are notes with a question of an evaluation, `doubted` those of which the judge thinks no good.
    """

    sums: Yield = field(default_factory=Yield)
    words: int = 0
    leaked: int = 0
    doubted: int = 0
    sample: Sample = field(default_factory=lambda: Sample(SAMPLE_NOTES))

    def add_notes(self, living: pa.Table) -> None:
        """Count what rows say that no earlier plan left behind."""
        self.leaked += count_true(pc.not_equal(living["leaked_question"], ""))
        self.doubted += count_true(pc.is_in(living["judgement"], DOUBTS))
        self.add_texts(living.filter(pc.equal(living["verdict"], "kept")))

    def add_texts(self, kept: pa.Table) -> None:
        """Count the words of kept notes."""
        texts = kept["text"].to_pylist()
        self.words += sum(len(text.split()) for text in texts)
        self.sample.add(kept["note_id"].to_pylist(), texts)


def count_true(flags: pa.ChunkedArray) -> int:
    """How many of them hold."""
    return int(pc.sum(flags).as_py() or 0)


@dataclass(frozen=True, slots=True)
class Figures:
    """What became of the units of one strategy, or of all. Shares are of all notes, kept and rejected.

    `faithful_share` is that of notes which no filter rejected for a claim without support in its source, and of which
    no judge says that the source contradicts or does not state them: an upper bound of the truth, since filters miss
    some and a note that fell for another reason was not asked. `leaked` counts notes that hold a question of an
    evaluation, kept ones too.
    """

    units: int
    notes: int
    kept: int
    rejected: dict[str, int]
    yield_share: float | None
    faithful_share: float | None
    leaked: int
    prompt_tokens: int
    completion_tokens: int
    mean_words: float | None
    diversity: Diversity


@dataclass(frozen=True, slots=True)
class Source:
    """A document and how many of its notes were kept."""

    document_id: str
    title: str
    kept: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """Figures of a dataset. `superseded` counts notes of earlier plans, which stand in no other figure."""

    total: Figures
    strategies: dict[str, Figures]
    superseded: int
    sources: list[Source]

    def as_json(self) -> dict[str, Any]:
        """Plain data; of the documents, their number alone."""
        data = asdict(self)
        return data | {"sources": len(self.sources)}


def measure_dataset(folder: Path) -> Statistics:
    """Statistics of the dataset in `folder`, from one pass over its shards."""
    total, strategies = Count(), defaultdict[str, Count](Count)
    sources: dict[str, Source] = {}
    for table in read_batches(folder, SPLITS, COLUMNS):
        for name, sums in sum_table(table).items():
            strategies[name].sums.add(sums)
            total.sums.add(sums)
        living = table.filter(pc.not_equal(table["reason"], SUPERSEDED))
        total.add_notes(living)
        for name in living["strategy"].unique().to_pylist():
            strategies[name].add_notes(living.filter(pc.equal(living["strategy"], name)))
        count_sources(living, sources)
    figures = {name: finish(count) for name, count in sorted(strategies.items()) if count.sums.units}
    ordered = sorted(sources.values(), key=lambda source: source.document_id)
    return Statistics(finish(total), figures, total.sums.superseded, ordered)


def count_sources(table: pa.Table, sources: dict[str, Source]) -> None:
    """Add the kept notes of each document to `sources`."""
    rows = table.select(["document_id", "title", "verdict"]).to_pylist()
    titles = {row["document_id"]: row["title"] for row in rows}
    kept = count_rows((row for row in rows if row["verdict"] == "kept"), "document_id")
    for document, title in titles.items():
        before = sources[document].kept if document in sources else 0
        sources[document] = Source(document, title, before + kept.get(document, 0))


def finish(count: Count) -> Figures:
    """Sums as figures."""
    sums = count.sums
    notes = sums.kept + sums.rejected
    unfaithful = sum(number for reason, number in sums.reasons.items() if reason.startswith(UNFAITHFUL))
    unfaithful += count.doubted
    return Figures(
        units=sums.units,
        notes=notes,
        kept=sums.kept,
        rejected=dict(sorted(sums.reasons.items(), key=lambda item: (-item[1], item[0]))),
        yield_share=sums.kept / notes if notes else None,
        faithful_share=1 - unfaithful / notes if notes else None,
        leaked=count.leaked,
        prompt_tokens=sums.prompt_tokens,
        completion_tokens=sums.completion_tokens,
        mean_words=count.words / sums.kept if sums.kept else None,
        diversity=measure_diversity(count.sample.texts()),
    )
