"""Rejects a note that repeats its chunk instead of saying it anew."""

import re
from functools import lru_cache

from augment.filters.base import Filters
from augment.records import Chunk, Note

SEQUENCE = 8


def copy(note: Note, chunk: Chunk, options: Filters) -> bool:
    """Whether more than `max_copy_share` of the note's 8-word sequences stand in the chunk."""
    ours = sequences(note.text)
    return bool(ours) and len(ours & source_sequences(chunk.text)) / len(ours) > options.max_copy_share


@lru_cache(maxsize=256)
def source_sequences(text: str) -> set[tuple[str, ...]]:
    """Those of a chunk, remembered: its notes come one after another."""
    return sequences(text)


def sequences(text: str) -> set[tuple[str, ...]]:
    """The text's runs of 8 words, in lower case without punctuation."""
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + SEQUENCE]) for i in range(len(words) - SEQUENCE + 1)}
