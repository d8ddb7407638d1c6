"""Writes tables of examples to JSON Lines or Parquet, as they come."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, Self

import pyarrow as pa
import pyarrow.parquet as pq


class Writer(Protocol):
    """An open file of examples."""

    def write_table(self, table: pa.Table) -> None:
        """Append the rows."""


class JsonLines:
    """One JSON object per line, UTF-8."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.stream = path.open("w", encoding="utf-8", newline="\n")

    def write_table(self, table: pa.Table) -> None:
        self.stream.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in table.to_pylist())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.stream.close()


WRITERS: dict[str, Callable[[Path, pa.Schema], AbstractContextManager[Writer]]] = {
    "jsonl": JsonLines,
    "parquet": pq.ParquetWriter,
}
