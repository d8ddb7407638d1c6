"""Turns a document into chunks of at most `max_tokens`, cut at headings, then between sentences by semchunk."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import Field
from semchunk.semchunk import chunkerify

from augment.records import Chunk, Document
from augment.settings import Settings

HEADING = re.compile(r"^ {0,3}(?:(?P<level>#{1,6})[ \t]+(?P<text>\S[^\n]*)$|(?P<fence>```|~~~))", re.MULTILINE)


class Chunks(Settings):
    """Size of a chunk in the generating model's tokens."""

    max_tokens: int = Field(default=400, ge=16)


@dataclass(frozen=True, slots=True)
class Section:
    """The span [start, end) of a text between two headings, and the path of headings above it."""

    start: int
    end: int
    headings: tuple[str, ...]


def split_document(document: Document, options: Chunks, count_tokens: Callable[[str], int]) -> Iterator[Chunk]:
    """The document's chunks in order; `document.text[c.start:c.end] == c.text` holds for each.

    Headings stand in no chunk: they go along as its `heading`. Raises nothing; a text of headings alone has no chunk.
    """
    chunker = chunkerify(count_tokens, options.max_tokens)
    for section in split_sections(document.text):
        body = document.text[section.start : section.end]
        if not body.strip():
            continue
        pieces: Any = chunker(body, offsets=True)
        heading = " > ".join(h for h in section.headings if h != document.title)
        for text, (start, end) in zip(*pieces, strict=True):
            span = section.start + start, section.start + end
            assert document.text[span[0] : span[1]] == text
            yield Chunk(document.id, document.title, document.source, *span, text, heading)


def split_sections(text: str) -> Iterator[Section]:
    """What stands before, between and after Markdown headings; a # inside a code fence is no heading."""
    path: list[tuple[int, str]] = []
    start, fenced = 0, False
    for match in HEADING.finditer(text):
        if match["fence"]:
            fenced = not fenced
        elif not fenced:
            yield Section(start, match.start(), tuple(name for _, name in path))
            level = len(match["level"])
            path = [(depth, name) for depth, name in path if depth < level] + [(level, match["text"].strip(" \t#"))]
            start = match.end()
    yield Section(start, len(text), tuple(name for _, name in path))
