"""Turns staged pieces into shards of the dataset: notes that repeat another rejected, many pieces to a shard."""

from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from augment.arrow import read_table
from augment.digests import Digests, Packed, pack_ids
from augment.filters.base import Filters
from augment.filters.duplicate import duplicate_key
from augment.filters.near_duplicate import NearDuplicates
from augment.progress import Progress
from augment.shards import STAGING, reject_rows, staged_pieces
from augment.store import NoteStore

DUPLICATE = "duplicate"


class Duplicates:
    """The keys of all kept notes of a dataset. A note that was kept before is rejected."""

    def __init__(self, store: NoteStore) -> None:
        self.seen = Digests()
        for name in store.names:
            self.seen.add(kept_keys(read_table(store.folder / "train" / name)))

    def reject(self, table: pa.Table) -> pa.Table:
        """The rows with those kept ones rejected that say the same as an earlier one of their document."""
        kept = pc.equal(table["verdict"], "kept").to_numpy()
        wrong: NDArray[np.bool_] = np.zeros(table.num_rows, dtype=bool)
        wrong[kept] = ~self.seen.add(kept_keys(table.filter(pa.array(kept))))
        return reject_rows(table, wrong, DUPLICATE) if wrong.any() else table


class Repeats:
    """Rejects kept notes that repeat one of their document, exactly or nearly, as far as the filters ask for that.

    Near ones are looked for among the notes of `documents` that the dataset holds, and among all that come.
    """

    def __init__(self, store: NoteStore, filters: Filters, documents: Set[str]) -> None:
        self.exact = Duplicates(store) if "duplicate" not in filters.off else None
        self.near = NearDuplicates(filters.max_similarity) if "near_duplicate" not in filters.off else None
        self.num_found = 0
        if self.near and documents:
            self.near.learn(store.folder, documents)

    def reject(self, table: pa.Table) -> pa.Table:
        """The rows with those that repeat another one rejected."""
        judged = self.exact.reject(table) if self.exact else table
        if self.near:
            judged = self.near.name_exact(self.near.judge(judged), DUPLICATE)
        self.num_found += count_kept(table) - count_kept(judged)
        return judged


def count_kept(table: pa.Table) -> int:
    """Rows that are kept."""
    return int(pc.sum(pc.equal(table["verdict"], "kept")).as_py() or 0)


class Committer:
    """Collects pieces until they are worth a shard."""

    def __init__(self, store: NoteStore, progress: Progress, filters: Filters, documents: Set[str]) -> None:
        self.store, self.progress, self.repeats = store, progress, Repeats(store, filters, documents)
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
            before = self.repeats.num_found
            self.store.commit(*self.pieces, judge=self.repeats.reject)
            self.progress.add_duplicates(self.repeats.num_found - before)
        self.pieces, self.num_rows = [], 0


def open_store(folder: Path, filters: Filters) -> NoteStore:
    """The dataset with what a killed run had staged; an empty one where there is none."""
    store = NoteStore(folder)
    if pieces := staged_pieces(folder):
        tables = (read_table(folder / STAGING / piece) for piece in pieces)
        documents = {document for table in tables for document in table["document_id"].unique().to_pylist()}
        store.recover(Repeats(store, filters, documents).reject)
    return store


def kept_keys(table: pa.Table) -> Packed:
    """The packed duplicate key of each row."""
    columns = [table[name].to_pylist() for name in ("document_id", "text")]
    return pack_ids([duplicate_key(document, text) for document, text in zip(*columns, strict=True)])
