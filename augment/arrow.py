"""Reads and writes Arrow IPC streams of notes, whole and fsynced."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from augment.errors import DatasetError
from augment.schema import SCHEMA

MIN_BATCH_ROWS = 1000


@contextmanager
def open_shard(path: Path) -> Iterator[Any]:
    """A writer of an Arrow IPC stream (the file format breaks load_from_disk), fsynced at the end."""
    with path.open("wb") as stream:
        with pa.ipc.new_stream(stream, SCHEMA) as writer:
            yield writer
        stream.flush()
        os.fsync(stream.fileno())


def write_table(table: pa.Table, path: Path) -> None:
    """Write one whole shard."""
    with open_shard(path) as writer:
        writer.write_table(table)


def read_table(path: Path) -> pa.Table:
    """All rows of one shard; raises DatasetError when the file is not a whole Arrow stream."""
    try:
        with pa.memory_map(str(path)) as source:
            return pa.ipc.open_stream(source).read_all()
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing", "run augment again: it does the units of that shard anew") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise DatasetError(f"{path} is not a whole shard ({error})", "delete it and run augment again") from None


def merge_small(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of at least MIN_BATCH_ROWS, the last excepted: readers pay for every batch."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(part.num_rows for part in waiting) >= MIN_BATCH_ROWS:
            yield pa.concat_tables(waiting).combine_chunks()
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting).combine_chunks()
