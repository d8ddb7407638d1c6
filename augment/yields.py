"""Turns a dataset of notes into sums by strategy: units, notes kept and rejected, tokens."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.table import Table

from augment.arrow import read_table
from augment.shards import SPLITS, STAGING, SUPERSEDED, is_store, listed_shards, staged_pieces

COLUMNS = ["strategy", "unit_id", "verdict", "reason", "prompt_tokens", "completion_tokens"]


@dataclass(slots=True)
class Yield:
    """What a strategy's finished units came to. Notes of units that are planned no more are `superseded`, no more."""

    units: int = 0
    kept: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    superseded: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def rejected(self) -> int:
        """Notes that were rejected."""
        return self.reasons.total()

    def add(self, other: "Yield") -> None:
        """Add another's sums to these."""
        self.units += other.units
        self.kept += other.kept
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.superseded += other.superseded
        self.reasons.update(other.reasons)


def yield_table(yields: dict[str, Yield]) -> Table:
    """By strategy: notes kept and rejected, and what a kept note took to write."""
    table = Table("strategy", "units", "notes kept", "rejected", "kept", "tokens per kept note")
    for name, y in yields.items():
        share = y.kept / max(y.kept + y.rejected, 1)
        tokens = f"{y.completion_tokens / y.kept:.0f}" if y.kept else "-"
        table.add_row(name, f"{y.units}", f"{y.kept}", f"{y.rejected}", f"{share:.0%}", tokens)
    return table


def sum_dataset(folder: Path) -> dict[str, Yield]:
    """Sums over the committed notes by strategy, shard by shard; nothing is written."""
    if not is_store(folder):
        return {}
    names = listed_shards(folder, "train")
    return sum_tables(pa.concat_tables([read_table(folder / s / n).select(COLUMNS) for s in SPLITS]) for n in names)


def sum_staged(folder: Path) -> dict[str, Yield]:
    """Sums over the pieces that wait for a commit. One that is committed meanwhile is left out."""
    paths = [folder / STAGING / name for name in staged_pieces(folder)]
    return sum_tables(read_table(path).select(COLUMNS) for path in paths if path.exists())


def sum_tables(tables: Iterator[pa.Table]) -> dict[str, Yield]:
    """Sums over tables of which each holds all rows of its units."""
    total: dict[str, Yield] = {}
    for table in tables:
        for strategy, part in sum_table(table).items():
            total.setdefault(strategy, Yield()).add(part)
    return total


def sum_table(table: pa.Table) -> dict[str, Yield]:
    """Sums over one table by strategy."""
    found: dict[str, Yield] = {}
    for row in table.group_by(["strategy", "verdict", "reason"]).aggregate([([], "count_all")]).to_pylist():
        part, number = found.setdefault(row["strategy"], Yield()), row["count_all"]
        if row["verdict"] == "kept":
            part.kept += number
        elif row["reason"] == SUPERSEDED:
            part.superseded += number
        else:
            part.reasons[row["reason"]] += number
    living = table.filter(pc.not_equal(table["reason"], SUPERSEDED))
    sums: list[Any] = [("unit_id", "count_distinct"), ("prompt_tokens", "sum"), ("completion_tokens", "sum")]
    for row in living.group_by("strategy").aggregate(sums).to_pylist():
        part = found[row["strategy"]]
        part.units, part.prompt_tokens = row["unit_id_count_distinct"], row["prompt_tokens_sum"]
        part.completion_tokens = row["completion_tokens_sum"]
    return found


def sum_all(yields: dict[str, Yield]) -> Yield:
    """All strategies together."""
    total = Yield()
    for part in yields.values():
        total.add(part)
    return total
