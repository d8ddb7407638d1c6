"""Rejects a note that the token limit cut off."""

from augment.filters.base import Filters
from augment.records import Chunk, Note


def truncated(note: Note, chunk: Chunk, options: Filters) -> bool:
    """Whether the engine stopped for any other reason than the end of the text."""
    return note.reply.finish_reason != "stop"
