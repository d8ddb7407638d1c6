"""The filter `too_quiet`: rejects a note that hardly shouts."""

from augment.filters.base import Filters
from augment.records import Chunk, Note


def too_quiet(note: Note, chunk: Chunk, options: Filters) -> bool:
    """Whether the note ends with fewer than two exclamation marks."""
    return not note.text.endswith("!!")
