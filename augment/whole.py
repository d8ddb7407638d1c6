"""Writes a file whole or not at all: a hidden neighbour is filled, flushed to disk, then renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """A path to write to; it becomes `path` when the block ends well and goes when it does not."""
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield staging
        with staging.open("rb") as stream:
            os.fsync(stream.fileno())
        os.replace(staging, path)
    finally:
        staging.unlink(missing_ok=True)
