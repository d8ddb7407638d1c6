"""Rows of a dataset of notes that say nothing yet."""

import pyarrow as pa

from augment.schema import SCHEMA, Row


def blank_row() -> Row:
    """Each column with the empty value of its type."""
    return {field.name: blank_of(field.type) for field in SCHEMA}


def blank_of(kind: pa.DataType) -> object:
    """Empty text, empty list or 0."""
    if pa.types.is_list(kind):
        return []
    return "" if kind == pa.string() else 0
