"""Turns staged pieces into shards of the dataset: exact duplicates rejected, many pieces to a shard."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from augment.digests import Digests, Packed, pack_ids
from augment.filters.duplicate import duplicate_key
from augment.progress import Progress
from augment.shards import NoteStore, read_table, reject_rows


class Committer:
    """Collects pieces until they are worth a shard. A note that was kept before is rejected as a duplicate."""

    def __init__(self, store: NoteStore, progress: Progress) -> None:
        self.store, self.progress = store, progress
        self.pieces: list[str] = []
        self.num_rows = 0
        self.seen = Digests()
        for name in store.names:
            self.seen.add(kept_keys(read_table(store.folder / "train" / name)))

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
            self.store.commit(*self.pieces, judge=self.reject_duplicates)
        self.pieces, self.num_rows = [], 0

    def reject_duplicates(self, table: pa.Table) -> pa.Table:
        """The rows with those kept ones rejected that say the same as an earlier one of their document."""
        kept = pc.equal(table["verdict"], "kept").to_numpy()
        wrong: NDArray[np.bool_] = np.zeros(table.num_rows, dtype=bool)
        wrong[kept] = ~self.seen.add(kept_keys(table.filter(pa.array(kept))))
        if not wrong.any():
            return table
        self.progress.add_duplicates(int(wrong.sum()))
        return reject_rows(table, wrong, "duplicate")


def kept_keys(table: pa.Table) -> Packed:
    """The packed duplicate key of each row."""
    columns = [table[name].to_pylist() for name in ("document_id", "text")]
    return pack_ids([duplicate_key(document, text) for document, text in zip(*columns, strict=True)])
