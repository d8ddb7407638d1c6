"""Rejects a note of too few words to teach anything."""

from augment.filters.base import Filters
from augment.records import Chunk, Note


def too_short(note: Note, chunk: Chunk, options: Filters) -> bool:
    """Whether the note has fewer than `min_words` words."""
    return len(note.text.split()) < options.min_words
