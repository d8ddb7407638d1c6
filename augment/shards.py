"""Stores notes as a Hugging Face DatasetDict of Arrow shards, valid at every moment and its own ledger.

    notes/
      dataset_dict.json, README.md     what load_from_disk and load_dataset read first
      train/    state.json, data-*.arrow     kept notes
      rejected/ state.json, data-*.arrow     rejected notes with their reason, same schema
      .staging/                              shards that no state.json lists yet

A commit is one pair of shards with the same name, one in each split, so that a unit's rows enter together:
1. write both below `.staging`, fsync;
2. rename both into their split;
3. rewrite `rejected/state.json`, then `train/state.json`, each by temp + rename.
`train/state.json` is the commit point: on open, `rejected` is set to its names, all other shards are removed.
"""

import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from augment.errors import DatasetError

SPLITS = ("train", "rejected")
STAGING = ".staging"
EMPTY = "data-empty.arrow"

SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("note_id", pa.string()),
        ("unit_id", pa.string()),
        ("document_id", pa.string()),
        ("title", pa.string()),
        ("heading", pa.string()),
        ("source", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("strategy", pa.string()),
        ("strategy_text", pa.string()),
        ("round", pa.int64()),
        ("template", pa.string()),
        ("template_hash", pa.string()),
        ("engine", pa.string()),
        ("model", pa.string()),
        ("model_revision", pa.string()),
        ("sampling", pa.string()),
        ("finish_reason", pa.string()),
        ("prompt_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("verdict", pa.string()),
        ("reason", pa.string()),
        ("nearest_note", pa.string()),  # the note that a duplicate repeats,
        ("similarity", pa.float32()),  # and how near it is, 0 to 1
        ("leaked_question", pa.string()),  # the evaluation's question that stands in the text
        ("judgement", pa.string()),  # what the judge said, where there is one
    ]
)
Row = dict[str, Any]

CARD = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: train/*.arrow
  - split: rejected
    path: rejected/*.arrow
---
# Notes about documents

Written by ingrain. `train` holds the notes that passed every filter, `rejected` those that did not, with the
`reason`. Each row names its document, the characters `start` to `end` it came from, strategy, template hash,
model and sampling.
"""


def write_table(table: pa.Table, path: Path) -> None:
    """Write an Arrow IPC stream (the file format breaks load_from_disk) and fsync it."""
    with path.open("wb") as stream:
        with pa.ipc.new_stream(stream, table.schema) as writer:
            writer.write_table(table)
        stream.flush()
        os.fsync(stream.fileno())


def read_table(path: Path) -> pa.Table:
    """All rows of one shard; raises DatasetError when the file is not a whole Arrow stream."""
    try:
        with pa.memory_map(str(path)) as source:
            return pa.ipc.open_stream(source).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise DatasetError(f"{path} is not a whole shard ({error})", "delete it and run augment again") from None


def write_json(data: Any, path: Path) -> None:
    """Replace a JSON file in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as stream:
        json.dump(data, stream, indent=2)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def state_of(names: Sequence[str]) -> dict[str, Any]:
    """What `datasets` wants to find in a split's state.json. The fingerprint hashes the list of shards."""
    fingerprint = uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(names)).hex[:16]
    return {
        "_data_files": [{"filename": name} for name in names],
        "_fingerprint": fingerprint,
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": None,
    }


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
    """The rows of a split in order of commit."""
    for name in listed_shards(folder, split):
        table = read_table(folder / split / name)
        yield from (table.select(list(columns)) if columns else table).to_pylist()


def stage_rows(folder: Path, rows: Sequence[Row]) -> str:
    """Write rows as a pair of staged shards, kept and rejected; returns the name to commit."""
    name = f"data-{uuid.uuid4().hex}.arrow"
    for split, verdict in zip(SPLITS, ("kept", "rejected"), strict=True):
        table = pa.Table.from_pylist([row for row in rows if row["verdict"] == verdict], schema=SCHEMA)
        write_table(table, folder / STAGING / f"{split}-{name}")
    return name


class NoteStore:
    """The dataset in one folder; one writer. Opening it repairs whatever a killed writer left behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / "train" / "state.json").exists():
            create_store(folder)
        self.names = listed_shards(folder, "train")
        self.repair()

    def repair(self) -> None:
        """Make both splits list the shards of `train/state.json`, and remove all others."""
        write_json(state_of(self.names), self.folder / "rejected" / "state.json")
        staging = self.folder / STAGING
        staging.mkdir(exist_ok=True)
        for split in SPLITS:
            for path in [
                *(self.folder / split).glob("*.arrow"),
                *(self.folder / split).glob(".state.json.*"),
            ]:
                if path.name not in self.names:
                    path.unlink()
        for path in staging.iterdir():
            path.unlink()

    def commit(self, name: str) -> None:
        """Add a staged pair of shards to the dataset."""
        for split in SPLITS:
            os.replace(self.folder / STAGING / f"{split}-{name}", self.folder / split / name)
        self.publish([*self.names, name])

    def publish(self, names: list[str]) -> None:
        """Make `names` the shards of both splits; `train` last."""
        for split in reversed(SPLITS):
            write_json(state_of(names), self.folder / split / "state.json")
        self.names = names

    def finished_units(self) -> set[str]:
        """Ids of the units whose rows are in the dataset, superseded ones left out."""
        done: set[str] = set()
        for split in SPLITS:
            for name in self.names:
                table = read_table(self.folder / split / name)
                alive = table.filter(pc.not_equal(table["reason"], "superseded"))
                done.update(alive["unit_id"].unique().to_pylist())
        return done

    def supersede(self, planned: set[str]) -> int:
        """Move kept notes of units outside `planned` to `rejected`, reason `superseded`; returns how many."""
        moved = 0
        for name in list(self.names):
            rows = [r for split in SPLITS for r in read_table(self.folder / split / name).to_pylist()]
            stale = [r for r in rows if r["unit_id"] not in planned and r["reason"] != "superseded"]
            if not stale:
                continue
            for row in stale:
                moved += row["verdict"] == "kept"
                row.update(verdict="rejected", reason="superseded")
            self.replace(name, rows)
        return moved

    def replace(self, old: str, rows: Sequence[Row]) -> None:
        """Swap one committed pair of shards for another with these rows."""
        new = stage_rows(self.folder, rows)
        for split in SPLITS:
            os.replace(self.folder / STAGING / f"{split}-{new}", self.folder / split / new)
        self.publish([new if name == old else name for name in self.names])
        for split in SPLITS:
            (self.folder / split / old).unlink()

    def kept_keys(self, key: Any) -> set[str]:
        """`key(row)` of every kept row, for finding duplicates."""
        return {key(row) for row in read_rows(self.folder, "train", ["document_id", "text"])}


def create_store(folder: Path) -> None:
    """An empty dataset, whole at once: one typed shard of zero rows in each split."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".notes-", dir=folder.parent))
    try:
        fill_empty_store(staging)
        staging.chmod(0o755)
        os.replace(staging, folder)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def fill_empty_store(folder: Path) -> None:
    """Card, split list, and per split its schema, an empty shard and its state."""
    kinds = {pa.string(): "string", pa.int64(): "int64", pa.float32(): "float32"}
    features = {field.name: {"dtype": kinds[field.type], "_type": "Value"} for field in SCHEMA}
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    write_json({"splits": list(SPLITS)}, folder / "dataset_dict.json")
    for split in SPLITS:
        (folder / split).mkdir()
        write_table(SCHEMA.empty_table(), folder / split / EMPTY)
        write_json({"features": features}, folder / split / "dataset_info.json")
        write_json(state_of([EMPTY]), folder / split / "state.json")


def count_rows(rows: Iterable[Row], column: str) -> dict[str, int]:
    """How many rows have each value of a column, most frequent first."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row[column]] = counts.get(row[column], 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
