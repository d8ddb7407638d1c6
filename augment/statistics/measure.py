"""Turns a dataset folder into its statistics, by strategy and in total, reading shard by shard."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from augment.batches import read_batches
from augment.shards import SPLITS, count_rows
from augment.statistics.diversity import SAMPLE_NOTES, Diversity, measure_diversity
from augment.statistics.sample import Sample

# Reasons that say a note claims what its source does not; a reason may go on after its name.
UNFAITHFUL = ("unsupported", "unfaithful")
SUPERSEDED = "superseded"
COLUMNS = "text note_id unit_id document_id title strategy prompt_tokens completion_tokens verdict reason".split()


@dataclass(slots=True)
class Count:
    """Sums over the notes of one strategy, or of all. `words` are those of kept notes."""

    units: int = 0
    kept: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    words: int = 0
    sample: Sample = field(default_factory=lambda: Sample(SAMPLE_NOTES))

    def add(self, table: pa.Table) -> None:
        """Count rows; a unit's rows stand in one table."""
        kept = table.filter(pc.equal(table["verdict"], "kept"))
        self.units += pc.count_distinct(table["unit_id"]).as_py()
        self.kept += kept.num_rows
        self.rejected.update(table.filter(pc.equal(table["verdict"], "rejected"))["reason"].to_pylist())
        self.prompt_tokens += pc.sum(table["prompt_tokens"]).as_py() or 0
        self.completion_tokens += pc.sum(table["completion_tokens"]).as_py() or 0
        texts = kept["text"].to_pylist()
        self.words += sum(len(text.split()) for text in texts)
        self.sample.add(kept["note_id"].to_pylist(), texts)


@dataclass(frozen=True, slots=True)
class Figures:
    """What became of the units of one strategy, or of all. Shares are of all notes, kept and rejected.

    `faithful_share` is that of notes which no filter rejected for a claim without support in its source: an upper
    bound of the truth, since filters miss some and a note that fell for another reason was not asked.
    """

    units: int
    notes: int
    kept: int
    rejected: dict[str, int]
    yield_share: float | None
    faithful_share: float | None
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
    total, strategies = Count(), dict[str, Count]()
    sources: dict[str, Source] = {}
    superseded = 0
    for table in read_batches(folder, SPLITS, COLUMNS):
        alive = table.filter(pc.not_equal(table["reason"], SUPERSEDED))
        superseded += table.num_rows - alive.num_rows
        total.add(alive)
        for name in alive["strategy"].unique().to_pylist():
            strategies.setdefault(name, Count()).add(alive.filter(pc.equal(alive["strategy"], name)))
        count_sources(alive, sources)
    figures = {name: finish(strategies[name]) for name in sorted(strategies)}
    return Statistics(finish(total), figures, superseded, sorted(sources.values(), key=lambda s: s.document_id))


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
    notes = count.kept + count.rejected.total()
    unfaithful = sum(number for reason, number in count.rejected.items() if reason.startswith(UNFAITHFUL))
    return Figures(
        units=count.units,
        notes=notes,
        kept=count.kept,
        rejected=dict(sorted(count.rejected.items(), key=lambda item: (-item[1], item[0]))),
        yield_share=count.kept / notes if notes else None,
        faithful_share=1 - unfaithful / notes if notes else None,
        prompt_tokens=count.prompt_tokens,
        completion_tokens=count.completion_tokens,
        mean_words=count.words / count.kept if count.kept else None,
        diversity=measure_diversity(count.sample.texts()),
    )
