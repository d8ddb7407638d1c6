"""Turns staged pieces into shards of the dataset: exact duplicates rejected, many pieces to a shard."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from augment.digests import Digests, Packed, pack_ids
from augment.filters.duplicate import duplicate_key
from augment.progress import Progress
from augment.shards import NoteStore, read_table, reject_rows, staged_pieces


class Duplicates:
    """The keys of all kept notes of a dataset. A note that was kept before is rejected."""

    def __init__(self, store: NoteStore) -> None:
        self.seen, self.num_found = Digests(), 0
        for name in store.names:
            self.seen.add(kept_keys(read_table(store.folder / "train" / name)))

    def reject(self, table: pa.Table) -> pa.Table:
        """The rows with those kept ones rejected that say the same as an earlier one of their document."""
        kept = pc.equal(table["verdict"], "kept").to_numpy()
        wrong: NDArray[np.bool_] = np.zeros(table.num_rows, dtype=bool)
        wrong[kept] = ~self.seen.add(kept_keys(table.filter(pa.array(kept))))
        self.num_found += int(wrong.sum())
        return reject_rows(table, wrong, "duplicate") if wrong.any() else table


class Committer:
    """Collects pieces until they are worth a shard."""

    def __init__(self, store: NoteStore, progress: Progress) -> None:
        self.store, self.progress, self.duplicates = store, progress, Duplicates(store)
        self.pieces: list[str] = []
        self.num_rows = 0

    def add(self, done: Mapping[str, Any]) -> None:
        """Count a piece that an actor staged, and commit when there is enough for a shard."""
        self.pieces.append(done["piece"])
        self.num_rows += done["kept"] + done["rejected"]
        self.progress.add(done)
        if self.num_rows >= self.store.commit_size():
            self.commit()

    def commit(self) -> None:
        """Commit what was collected."""
        if self.pieces:
            before = self.duplicates.num_found
            self.store.commit(*self.pieces, judge=self.duplicates.reject)
            self.progress.add_duplicates(self.duplicates.num_found - before)
        self.pieces, self.num_rows = [], 0


def open_store(folder: Path) -> NoteStore:
    """The dataset with what a killed run had staged; an empty one where there is none."""
    store = NoteStore(folder)
    if staged_pieces(folder):
        store.recover(Duplicates(store).reject)
    return store


def kept_keys(table: pa.Table) -> Packed:
    """The packed duplicate key of each row."""
    columns = [table[name].to_pylist() for name in ("document_id", "text")]
    return pack_ids([duplicate_key(document, text) for document, text in zip(*columns, strict=True)])
