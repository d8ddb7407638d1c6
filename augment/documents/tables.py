"""Turns JSON lines, CSV and Parquet files into documents, a row at a time."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from augment.documents.base import LEAVE_OUT, CannotReadError, Unreadable
from augment.documents.files import File
from augment.documents.rows import BATCH_ROWS, Table
from augment.documents.settings import Documents
from augment.documents.text import find_encoding
from augment.records import Document

Rows = Iterator[Document | Unreadable]


def table_of(file: File, options: Documents) -> Table:
    """The file as a table."""
    return Table(file.id, file.source, file.stem, options.columns)


def open_text(stream: Any, newline: str) -> io.TextIOWrapper:
    """A stream of bytes as text; a wrong byte becomes a lone surrogate, so that only its row is refused."""
    encoding = find_encoding(stream.read(4))
    stream.seek(0)
    return io.TextIOWrapper(stream, encoding=encoding, errors="surrogateescape", newline=newline)


def read_jsonl(file: File, options: Documents) -> Rows:
    """One document a line; a line that is no JSON object with the wanted keys is an error row with its number."""
    table, most = table_of(file, options), options.max_file_mb * 2**20
    with file.open() as stream, open_text(stream, "\n") as lines:
        number = 0
        while line := lines.readline(most):
            number += 1
            if len(line) == most:
                raise CannotReadError(f"has a line {number} of more than {options.max_file_mb} MiB", "split it")
            if line.strip():
                yield read_line(table, number, line)


def read_line(table: Table, number: int, line: str) -> Document | Unreadable:
    """The document of one JSON line."""
    try:
        row = json.loads(line)
        if not isinstance(row, dict):
            return table.refuse(number, f"line {number} is no JSON object", f"mend it, or {LEAVE_OUT}")
        table.check_columns(list(row))
    except (ValueError, RecursionError) as error:
        return table.refuse(number, f"line {number} is not JSON ({error})", f"mend it, or {LEAVE_OUT}")
    except CannotReadError as error:
        return table.refuse(number, f"line {number} {error.reason}", error.todo)
    return table.read_row(number, row, "line")


def read_csv(file: File, options: Documents) -> Rows:
    """One document a row, by the names in the first row; commas and double quotes as in RFC 4180."""
    table = table_of(file, options)
    # A field without a closing quote would else swallow the rest of the file. The limit is the process's.
    csv.field_size_limit(options.max_file_mb * 2**20)
    with file.open() as stream, open_text(stream, "") as lines:
        reader = csv.reader(lines, strict=True)
        try:
            names = next(reader, [])
            table.check_columns(names)
            for number, fields in enumerate(filter(None, reader), start=1):
                yield read_fields(table, number, names, fields)
        except csv.Error as error:
            raise CannotReadError(f"is broken at line {reader.line_num} ({error}); no row after it was read") from None


def read_fields(table: Table, number: int, names: list[str], fields: list[str]) -> Document | Unreadable:
    """The document of one CSV row."""
    if len(fields) != len(names):
        reason = f"row {number} has {len(fields)} columns, the first line has {len(names)}"
        return table.refuse(number, reason, "quote fields that hold commas or line ends")
    return table.read_row(number, dict(zip(names, fields, strict=True)))


def read_parquet(file: File, options: Documents) -> Rows:
    """One document a row; only the wanted columns are read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = table_of(file, options)
    with file.open() as stream:
        try:
            parquet = pq.ParquetFile(stream)
            table.check_columns(parquet.schema_arrow.names)
            yield from table.read_batches(parquet.iter_batches(BATCH_ROWS, columns=table.wanted))
        except pa.ArrowException as error:
            raise CannotReadError(f"is not a whole Parquet file ({error!s:.100})") from None
