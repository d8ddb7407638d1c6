"""Stores notes as a Hugging Face DatasetDict of Arrow shards, valid at every moment and its own ledger.

    notes/
      dataset_dict.json, README.md     what load_from_disk and load_dataset read first
      train/    state.json, data-*.arrow     kept notes
      rejected/ state.json, data-*.arrow     rejected notes with their reason, same schema
      .staging/ piece-*.arrow                finished units that are in no shard yet

Many small pieces become few large shards. A piece holds all rows of some units and appears whole (written, fsynced,
renamed): it is safe from then on. A commit turns pieces into one pair of shards with the same name, one in each split,
so that a unit's rows enter together:
1. write both below `.staging`, fsync;
2. rename both into their split;
3. rewrite `rejected/state.json`, then `train/state.json`, then the mark in README.md, each by temp + rename;
4. remove the pieces.
`train/state.json` is the commit point: on open, `rejected` and the mark are set to its names, other shards removed;
then `recover` commits the pieces whose units are in no shard. As a commit waits for a thirty-second of what the
dataset holds already, a dataset of n notes has some 32 ln n shards, or n / 50,000 where that is more.
"""

import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterable, Sequence, Set
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from augment.arrow import merge_small, open_shard, read_table, write_table
from augment.digests import Digests, pack_ids
from augment.errors import DatasetError
from augment.json_file import write_json
from augment.schema import SCHEMA, feature_of
from augment.shards import (
    SPLITS,
    STAGING,
    SUPERSEDED,
    finished_units,
    is_store,
    listed_shards,
    reject_rows,
    staged_pieces,
    whole_shards,
)
from augment.stamp import CARD, fingerprint_of, stamp_card, stamp_text

EMPTY = "data-empty.arrow"
GROWTH = 32  # a commit waits for 1/32 of the rows that the dataset holds,
MAX_SHARD_ROWS = 50_000  # but never for more than this many
Judge = Callable[[pa.Table], pa.Table]  # may reject rows on their way into a shard


def state_of(names: Sequence[str]) -> dict[str, Any]:
    """What `datasets` wants to find in a split's state.json. The fingerprint hashes the list of shards."""
    return {
        "_data_files": [{"filename": name} for name in names],
        "_fingerprint": fingerprint_of(names),
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": None,
    }


def keep_all(table: pa.Table) -> pa.Table:
    """The table as it is."""
    return table


class NoteStore:
    """The dataset in one folder; one writer. Opening it repairs whatever a killed writer left behind.

    A shard that somebody deleted counts no more (`num_lost`), nor does its other half: its units are to be done again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not is_store(folder):
            create_store(folder)
        check_columns(folder)
        listed = listed_shards(folder, "train")
        for path in [folder / split / EMPTY for split in SPLITS]:
            if not path.exists():
                write_table(SCHEMA.empty_table(), path)
        self.names = whole_shards(folder, listed)
        self.num_lost = len(listed) - len(self.names)
        self.repair()
        self.num_rows: int = sum(read_table(folder / s / name).num_rows for s in SPLITS for name in self.names)

    def repair(self) -> None:
        """Make both splits list the shards of `train/state.json`; remove other shards and half-written files."""
        for split in reversed(SPLITS if self.num_lost else ("rejected",)):
            write_json(state_of(self.names), self.folder / split / "state.json")
        stamp_card(self.folder, fingerprint_of(self.names))
        staging = self.folder / STAGING
        staging.mkdir(exist_ok=True)
        listed = set(self.names)
        for split in SPLITS:
            for path in [
                *(self.folder / split).glob("*.arrow"),
                *(self.folder / split).glob(".state.json.*"),
            ]:
                if path.name not in listed:
                    path.unlink()
        for path in staging.iterdir():
            if not path.name.startswith("piece-"):
                path.unlink()

    def recover(self, judge: Judge) -> None:
        """Commit the pieces that a killed writer left, without the units that are in the dataset already."""
        if not (names := staged_pieces(self.folder)):
            return
        done = finished_units(self.folder)

        def judge_new(table: pa.Table) -> pa.Table:
            ids = pack_ids(table["unit_id"].to_pylist())
            new = ~done.contains(ids)
            done.add(ids)
            return judge(table.filter(pa.array(new)))

        self.commit(*names, judge=judge_new)

    def discard_staged(self) -> None:
        """Remove the pieces of blocks that were done twice, as when an actor died after it had staged one."""
        for name in staged_pieces(self.folder):
            (self.folder / STAGING / name).unlink()

    def commit(self, *pieces: str, judge: Judge = keep_all) -> None:
        """Add staged pieces to the dataset as one pair of shards, each piece after `judge` has seen it."""
        paths = [self.folder / STAGING / piece for piece in pieces]
        name = self.write_pair(judge(read_table(path)) for path in paths)
        self.publish([*self.names, name])
        for path in paths:
            path.unlink()

    def write_pair(self, tables: Iterable[pa.Table]) -> str:
        """Write rows as a pair of shards, kept and rejected, that no state.json lists yet; returns their name."""
        name = f"data-{uuid.uuid4().hex}.arrow"
        paths = {split: self.folder / STAGING / f"{split}-{name}" for split in SPLITS}
        with open_shard(paths["train"]) as kept, open_shard(paths["rejected"]) as rejected:
            for table in merge_small(tables):
                is_kept = pc.equal(table["verdict"], "kept")
                kept.write_table(table.filter(is_kept))
                rejected.write_table(table.filter(pc.invert(is_kept)))
                self.num_rows += table.num_rows
        for split in reversed(SPLITS):
            os.replace(paths[split], self.folder / split / name)
        return name

    def publish(self, names: list[str]) -> None:
        """Make `names` the shards of both splits; `train` last."""
        for split in reversed(SPLITS):
            write_json(state_of(names), self.folder / split / "state.json")
        stamp_card(self.folder, fingerprint_of(names))
        self.names = names

    def commit_size(self) -> int:
        """Rows that a commit should wait for, so that the number of shards stays small."""
        return min(max(1, self.num_rows // GROWTH), MAX_SHARD_ROWS)

    def supersede(self, stale: Digests, spared: Set[str] = frozenset()) -> int:
        """Move kept notes of these units to `rejected`, reason `superseded`; returns how many.

        Those of `spared` documents stay: a file that cannot be read today did not change what was learned from it.
        """
        moved = 0
        for name in list(self.names) if len(stale) else ():
            table = pa.concat_tables([read_table(self.folder / split / name) for split in SPLITS])
            living = pc.not_equal(table["reason"], SUPERSEDED).to_numpy()
            wrong = stale.contains(pack_ids(table["unit_id"].to_pylist())) & living
            wrong &= ~pc.is_in(table["document_id"], pa.array(sorted(spared), pa.string())).to_numpy()
            if wrong.any():
                moved += int((wrong & pc.equal(table["verdict"], "kept").to_numpy()).sum())
                self.replace(name, reject_rows(table, wrong, SUPERSEDED))
        return moved

    def replace(self, old: str, table: pa.Table) -> None:
        """Swap one committed pair of shards for another with these rows."""
        self.num_rows -= table.num_rows
        new = self.write_pair([table])
        self.publish([new if name == old else name for name in self.names])
        for split in SPLITS:
            (self.folder / split / old).unlink()


def check_columns(folder: Path) -> None:
    """Raise DatasetError when a split is missing or was made with other columns than this version writes."""
    for split in SPLITS:
        path = folder / split / "dataset_info.json"
        try:
            columns = list(json.loads(path.read_text(encoding="utf-8"))["features"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{path} is broken ({error})", f"delete {folder} and run augment again") from None
        if columns != SCHEMA.names:
            raise DatasetError(f"{folder} was written with other columns", "delete it, or use --set out=FOLDER")


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
    features = {field.name: feature_of(field.type) for field in SCHEMA}
    (folder / "README.md").write_text(stamp_text(CARD, uuid.uuid4().hex[:16]), encoding="utf-8")
    write_json({"splits": list(SPLITS)}, folder / "dataset_dict.json")
    for split in SPLITS:
        (folder / split).mkdir()
        write_table(SCHEMA.empty_table(), folder / split / EMPTY)
        write_json({"features": features}, folder / split / "dataset_info.json")
        write_json(state_of([EMPTY]), folder / split / "state.json")
