"""Turns a document into chunks of at most `max_tokens`, cut between sentences and paragraphs by semchunk."""

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import Field
from semchunk.semchunk import chunkerify

from augment.records import Chunk, Document
from augment.settings import Settings


class Chunks(Settings):
    """Size of a chunk in the generating model's tokens."""

    max_tokens: int = Field(default=400, ge=16)


def split_document(document: Document, options: Chunks, count_tokens: Callable[[str], int]) -> Iterator[Chunk]:
    """The document's chunks in order; `document.text[c.start:c.end] == c.text` holds for each."""
    chunker = chunkerify(count_tokens, options.max_tokens)
    pieces: Any = chunker(document.text, offsets=True)
    for text, (start, end) in zip(*pieces, strict=True):
        assert document.text[start:end] == text
        yield Chunk(document.id, document.title, document.source, start, end, text)
