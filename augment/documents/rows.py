"""Turns rows with named columns into documents: the rules that JSON lines, CSV, Parquet and datasets share."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from augment.documents.base import LEAVE_OUT, CannotReadError, Unreadable, make_document
from augment.documents.settings import Columns
from augment.records import Document

BATCH_ROWS = 64  # of an Arrow batch; rows may hold whole books
Value = str | int | float | bool | list[Any] | dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Table:
    """Where rows come from: an id and a title to derive theirs from, and the columns to read."""

    id: str
    source: str
    stem: str
    columns: Columns

    @property
    def wanted(self) -> list[str]:
        """The names of the columns to read, each once."""
        return list(dict.fromkeys(name for name in (self.columns.text, self.columns.title, self.columns.id) if name))

    def check_columns(self, names: Sequence[str]) -> None:
        """Raise CannotReadError when a wanted column is not among `names`."""
        missing = [name for name in self.wanted if name not in names]
        if missing:
            there = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
            reason = f"has no column {', '.join(missing)} (it has {there or 'none'})"
            raise CannotReadError(
                reason, "name its columns with augment.documents.columns: {text: ..., title: ..., id: ...}"
            )

    def read_row(self, number: int, row: Mapping[str, Value], what: str = "row") -> Document | Unreadable:
        """Row `number` (from 1) as a document."""
        try:
            return self.make_document(number, row)
        except CannotReadError as error:
            return self.refuse(number, f"{what} {number}: {error.reason}", error.todo)

    def make_document(self, number: int, row: Mapping[str, Value]) -> Document:
        """The document of a row that holds every wanted column."""
        text = row[self.columns.text]
        if not isinstance(text, str):
            raise CannotReadError(f"{self.columns.text} is {type(text).__name__}, not text", f"mend it, or {LEAVE_OUT}")
        title = row[self.columns.title] if self.columns.title else ""
        return make_document(
            self.id_of(number, row), "" if title is None else str(title), self.source, text, f"{self.stem} {number}"
        )

    def id_of(self, number: int, row: Mapping[str, Value]) -> str:
        """The row's own id, or `path#row`."""
        if not self.columns.id:
            return f"{self.id}#{number}"
        value = row[self.columns.id]
        if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
            raise CannotReadError(f"{self.columns.id} is {value!r:.40}, not an id", "give every row an id of its own")
        return str(value)

    def refuse(self, number: int, reason: str, todo: str) -> Unreadable:
        """A row that gave no document."""
        return Unreadable(self.source, f"{self.id}#{number}", reason, todo)

    def read_batches(self, batches: Iterable[Any]) -> Iterator[Document | Unreadable]:
        """The rows of Arrow batches or tables, one batch in memory at a time."""
        number = 0
        for batch in batches:
            for i in range(batch.num_rows):
                number += 1
                yield self.read_arrow_row(number, batch, i)

    def read_arrow_row(self, number: int, batch: Any, index: int) -> Document | Unreadable:
        """One row of a batch. Arrow does not check that strings are UTF-8 before they are taken out."""
        try:
            row = {name: batch.column(name)[index].as_py() for name in self.wanted}
        except UnicodeDecodeError:
            return self.refuse(number, f"row {number}: is not UTF-8 text", f"mend it, or {LEAVE_OUT}")
        return self.read_row(number, row)
