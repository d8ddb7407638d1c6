"""Rejects a note of too few words to teach anything, or of so many that it is no note."""

from augment.filters.base import Filters
from augment.records import Chunk, Note


def too_short(note: Note, chunk: Chunk, options: Filters) -> bool:
    """Whether the note has fewer than `min_words` words."""
    return len(note.text.split()) < options.min_words


def too_long(note: Note, chunk: Chunk, options: Filters) -> bool:
    """Whether the note has more than `max_words` words."""
    return len(note.text.split()) > options.max_words
