"""Reads a dataset of notes, and stages finished units for it. `augment.store` says how its files lie, and why."""

import json
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from augment.arrow import read_table, write_table
from augment.digests import Digests, pack_ids
from augment.errors import DatasetError
from augment.schema import SCHEMA, Row

SPLITS = ("train", "rejected")
STAGING = ".staging"
SUPERSEDED = "superseded"


def listed_shards(folder: Path, split: str) -> list[str]:
    """Names of the shards that count, by the split's state.json."""
    path = folder / split / "state.json"
    try:
        return [file["filename"] for file in json.loads(path.read_text(encoding="utf-8"))["_data_files"]]
    except FileNotFoundError:
        raise DatasetError(f"{folder} holds no dataset of notes", "run `augment run` first") from None
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise DatasetError(f"{path} is broken ({error})", f"delete {folder} and run augment again") from None


def read_rows(folder: Path, split: str, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """The rows of a split in order of commit. Raises DatasetError when an older version wrote them without a column."""
    for name in listed_shards(folder, split):
        table = read_table(folder / split / name)
        if missing := set(columns or ()) - set(table.column_names):
            what = f"{folder / split / name} has no column {min(missing)}: an older version wrote it"
            raise DatasetError(what, "move the folder away and run `augment run` again")
        yield from (table.select(list(columns)) if columns else table).to_pylist()


def stage_rows(folder: Path, rows: Sequence[Row]) -> str:
    """Write all rows of some units as a staged piece, whole or not at all; returns the name to commit."""
    name = f"piece-{uuid.uuid4().hex}.arrow"
    temporary = folder / STAGING / f".{name}"
    write_table(pa.Table.from_pylist(list(rows), schema=SCHEMA), temporary)
    os.replace(temporary, folder / STAGING / name)
    return name


def staged_pieces(folder: Path) -> list[str]:
    """Names of the pieces that wait for a commit, oldest first."""
    files = sorted((path.stat().st_mtime_ns, path.name) for path in (folder / STAGING).glob("piece-*.arrow"))
    return [name for _, name in files]


def is_store(folder: Path) -> bool:
    """Whether the folder holds a dataset of notes."""
    return (folder / "train" / "state.json").exists()


def finished_units(folder: Path) -> Digests:
    """Ids of the units whose rows are in the dataset, superseded ones left out; nothing is written."""
    done = Digests()
    for split in SPLITS if is_store(folder) else ():
        for name in listed_shards(folder, split):
            done.add(living_units(read_table(folder / split / name)))
    return done


def living_units(table: pa.Table) -> Any:
    """Packed ids of the units of these rows, superseded rows left out."""
    alive = table["unit_id"].filter(pc.not_equal(table["reason"], SUPERSEDED))
    return pack_ids(alive.unique().to_pylist())


def reject_rows(table: pa.Table, wrong: Any, reason: str) -> pa.Table:
    """The table with the rows where `wrong` (a Boolean per row) holds rejected for this reason."""
    mask = pa.array(wrong)
    for column, value in (("verdict", "rejected"), ("reason", reason)):
        place = table.schema.get_field_index(column)
        table = table.set_column(place, table.schema.field(column), pc.if_else(mask, value, table[column]))
    return table


def whole_shards(folder: Path, names: Sequence[str]) -> list[str]:
    """Those of the named shards of which both halves are there: a broken one was deleted, as its error said."""
    return [name for name in names if all((folder / split / name).is_file() for split in SPLITS)]


def count_rows(rows: Iterable[Row], column: str) -> dict[str, int]:
    """How many rows have each value of a column, most frequent first."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row[column]] = counts.get(row[column], 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
