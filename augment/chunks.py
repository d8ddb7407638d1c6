"""Turns a document into chunks of at most `max_tokens`, cut at headings, then between sentences by semchunk."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

from pydantic import Field, model_validator
from semchunk.semchunk import chunkerify

from augment.headings import find_headings
from augment.records import Chunk, Document
from augment.settings import Settings

# semchunk splits all it is given into lists, down to single characters: what it is given at once is bounded.
BLOCK_CHARS = 32_768
BLOCK_ENDS = ("\n\n", "\n", ". ", "。", " ")
SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+|(?<=[。！？])|\n\s*")
WORD = re.compile(r"[^\W_]")
WORD_END = re.compile(r"\s+")
MAX_TOKEN_CHARS = 16  # of the text that an overlap is sought in; longer tokens are rare

CountTokens = Callable[[str], int]


class Chunks(Settings):
    """Size of a chunk in the generating model's tokens, and how many of them repeat the end of the chunk before."""

    max_tokens: int = Field(default=400, ge=16)
    overlap: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def check_overlap(self) -> Self:
        """A chunk is mostly its own."""
        if self.overlap * 2 > self.max_tokens:
            raise ValueError(f"overlap is at most half of max_tokens ({self.max_tokens})")
        return self


@dataclass(frozen=True, slots=True)
class Section:
    """The span [start, end) of a text between two headings, and the path of headings above it."""

    start: int
    end: int
    headings: tuple[str, ...]


def split_document(document: Document, options: Chunks, count_tokens: CountTokens) -> Iterator[Chunk]:
    """The document's chunks in order; `document.text[c.start:c.end] == c.text` holds for each.

    Headings stand in no chunk: they go along as its `heading`. Raises nothing; a text of headings alone has no chunk.
    With `overlap`, a chunk begins with the last whole sentences of the one before it in the same section, or with
    its last words where a sentence is too long; never with more than `overlap` tokens of it.
    """
    for section in split_sections(document.text):
        heading = " > ".join(h for h in section.headings if h != document.title)
        before = None
        for start, end in split_section(document.text, section, options, count_tokens):
            first = start if before is None else reach_back(document.text, (before, start, end), options, count_tokens)
            yield Chunk(document.id, document.title, document.source, first, end, document.text[first:end], heading)
            before = start


def split_sections(text: str) -> Iterator[Section]:
    """What stands before, between and after Markdown headings."""
    path: list[tuple[int, str]] = []
    start = 0
    for heading in find_headings(text):
        yield Section(start, heading.start, tuple(name for _, name in path))
        path = [(level, name) for level, name in path if level < heading.level] + [(heading.level, heading.name)]
        start = heading.end
    yield Section(start, len(text), tuple(name for _, name in path))


def split_section(text: str, section: Section, options: Chunks, count_tokens: CountTokens) -> Iterator[tuple[int, int]]:
    """Spans of at most `max_tokens - overlap` tokens that hold all of the section but white space between them, and
    what has neither letter nor digit (rules, characters of no width): there is nothing to study.
    """
    # Its memory of counts would keep the text of every document that was ever split.
    chunker = chunkerify(count_tokens, options.max_tokens - options.overlap, memoize=False)
    for block_start, block_end in cut_blocks(text, section.start, section.end):
        if WORD.search(block := text[block_start:block_end]):
            offsets: Any = chunker(block, offsets=True)[1]
            spans = ((block_start + start, block_start + end) for start, end in offsets)
            yield from ((start, end) for start, end in spans if WORD.search(text, start, end))


def cut_blocks(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Spans of at most `BLOCK_CHARS` characters, cut at the best place in the second half of each."""
    while end - start > BLOCK_CHARS:
        last = start + BLOCK_CHARS
        ends = (text.rfind(mark, start + BLOCK_CHARS // 2, last) + len(mark) for mark in BLOCK_ENDS)
        cut = next((e for e in ends if e > start + BLOCK_CHARS // 2), last)
        yield start, cut
        start = cut
    if end > start:
        yield start, end


def reach_back(text: str, spans: tuple[int, int, int], options: Chunks, count_tokens: CountTokens) -> int:
    """Where a chunk begins that repeats the end of the one before: `spans` are that one's start, its own, its end."""
    before, start, end = spans
    floor = max(before, start - options.overlap * MAX_TOKEN_CHARS)

    def fits(first: int) -> bool:
        return (
            count_tokens(text[first:start]) <= options.overlap and count_tokens(text[first:end]) <= options.max_tokens
        )

    for border in (SENTENCE_END, WORD_END) if options.overlap else ():
        starts = [m.end() for m in border.finditer(text, floor, start) if m.end() < start]
        starts = [before, *starts] if floor == before else starts
        if (index := bisect_left(starts, True, key=fits)) < len(starts):
            return starts[index]
    return start
