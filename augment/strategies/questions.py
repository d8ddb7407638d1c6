"""Question-answer pairs about the chunk, several per call, one note each (synthetic QA as in 2508.09494)."""

import re
from collections.abc import AsyncIterator, Iterator

from pydantic import Field

from augment.records import Chunk, Note
from augment.strategies.base import Ask, Options, Strategy

# Quantifiers side by side never match the same characters: a reply of a thousand dots must not take minutes.
PAIR = re.compile(
    r"^[^\w\n]*(?:\d+[^\w\n]+)?(?:question|q)[ *#]*(?:\d+[ *]*)?[:.)][ *]*"
    r"(?P<question>[^\s*][^\n]*\?)[^\w\n]*\n(?:[^\w\n]*\n)*"
    r"[^\w\n]*(?:answer|a)[ *#]*(?:\d+[ *]*)?[:.)][ *]*(?P<answer>[^\n]+)",
    re.IGNORECASE | re.MULTILINE,
)


class Questions(Options):
    """How many pairs one call asks for."""

    per_call: int = Field(default=6, ge=1)


async def study(chunk: Chunk, ask: Ask, options: Questions) -> AsyncIterator[Note]:
    """One note per pair that could be read; the raw reply as a rejected note when none could."""
    reply = await ask("questions", title=chunk.title, chunk=chunk.text, count=options.per_call)
    pairs = list(parse_pairs(reply.text, complete=reply.finish_reason == "stop"))
    for question, answer in pairs:
        whole = Note(f"Question: {question}\nAnswer: {answer}", reply)
        yield whole
    if not pairs:
        yield Note(reply.text, reply, problem="unparsed")


def parse_pairs(text: str, complete: bool) -> Iterator[tuple[str, str]]:
    """Question and answer of each pair; the last one of a cut reply is left out when it runs to the end."""
    for match in PAIR.finditer(text):
        if complete or match.end() < len(text.rstrip()):
            yield match["question"].strip(" *"), match["answer"].strip(" *")


STRATEGY = Strategy("questions", Questions, study, templates=("questions",), exempt=frozenset({"truncated"}))
