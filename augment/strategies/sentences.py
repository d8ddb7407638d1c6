"""Turns a chunk into its sentences, for models that follow a prompt about one sentence better than about a page."""

import re
from dataclasses import replace

from augment.records import Chunk

MIN_WORDS = 3  # what is shorter states no fact
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n{2,}")


def split_sentences(text: str) -> list[str]:
    """The text's sentences and paragraphs of at least three words."""
    return [part for part in SENTENCE_END.split(text.strip()) if len(part.split()) >= MIN_WORDS]


def sentence_chunks(chunk: Chunk) -> list[Chunk]:
    """The chunk once for each of its sentences, with that sentence as its text."""
    return [replace(chunk, text=sentence) for sentence in split_sentences(chunk.text)]
