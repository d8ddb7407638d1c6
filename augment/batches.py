"""Reads a dataset's shards as tables of some twenty thousand rows, however many or tiny the shards are."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from augment.arrow import read_table
from augment.errors import DatasetError
from augment.shards import listed_shards

NUM_ROWS = 20_000


def find_notes(run: Path) -> Path:
    """The dataset of a run's folder (`OUT` or `OUT/notes`). Raises DatasetError when it holds none."""
    for folder in (run / "notes", run):
        if (folder / "train" / "state.json").is_file():
            return folder
    raise DatasetError(f"{run} holds no dataset of notes", "give the folder that `augment run` wrote, or run it first")


def read_batches(folder: Path, splits: Sequence[str], columns: Sequence[str]) -> Iterator[pa.Table]:
    """Tables of about NUM_ROWS rows, none empty; rows of one unit come in the same table."""
    waiting: list[pa.Table] = []
    for name in listed_shards(folder, "train"):
        waiting += [read_table(folder / split / name).select(list(columns)) for split in splits]
        if sum(table.num_rows for table in waiting) >= NUM_ROWS:
            yield pa.concat_tables(waiting)
            waiting = []
    if any(table.num_rows for table in waiting):
        yield pa.concat_tables(waiting)
