"""Turns what could not be read into a table beside a run's output: `unreadable.jsonl`, written whole or not at all."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from augment.documents.base import Unreadable

TABLE = "unreadable.jsonl"


class UnreadableTable:
    """A writer that takes rows one by one and puts the table in place at the end of its `with` block.

    A run without unreadable files removes the table of an earlier one; a run that fails leaves that as it was.
    """

    def __init__(self, out: Path) -> None:
        self.path = out / TABLE
        self.staging = out / f".{TABLE}.new"
        self.num_rows = 0
        self.stream: TextIO | None = None

    def add(self, row: Unreadable) -> None:
        """Append one row."""
        if self.stream is None:
            self.stream = self.staging.open("w", encoding="utf-8")
        self.stream.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
        self.num_rows += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self.stream is None:
            if kind is None:
                self.path.unlink(missing_ok=True)
            return
        self.publish() if kind is None else self.discard()

    def publish(self) -> None:
        """Put the whole table in place."""
        assert self.stream is not None
        try:
            self.stream.flush()
            os.fsync(self.stream.fileno())
            os.replace(self.staging, self.path)
        finally:
            self.discard()

    def discard(self) -> None:
        """Close and remove what is staged."""
        assert self.stream is not None
        self.stream.close()
        self.staging.unlink(missing_ok=True)
