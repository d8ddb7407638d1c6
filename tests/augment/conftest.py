"""Shared fixtures: datasets of notes that a test writes in one line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from augment.schema import Row
from augment.shards import stage_rows
from augment.store import NoteStore
from tests.rows import blank_row


@pytest.fixture
def make_note() -> Callable[..., Row]:
    """Makes a kept note, or a rejected one when it is given a reason; each is a unit of its own unless told."""

    def make(number: int, text: str = "", **columns: str | int) -> Row:
        row = blank_row()
        row |= {"text": text or f"Note number {number} says something.", "note_id": f"n{number:04}"}
        row |= {"unit_id": f"u{number}", "document_id": "a.md", "title": "Pellick", "strategy": "paraphrase"}
        row |= columns
        return row | {"verdict": "rejected" if row["reason"] else "kept"}

    return make


@pytest.fixture
def write_notes() -> Callable[..., Path]:
    """Writes a dataset of these shards."""

    def write(folder: Path, *shards: list[Row]) -> Path:
        store = NoteStore(folder)
        for rows in shards:
            store.commit(stage_rows(store.folder, rows))
        return folder

    return write
