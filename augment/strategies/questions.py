"""Question-answer pairs about the chunk, several per call, one note each (synthetic QA as in 2508.09494)."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator

from pydantic import Field

from augment.records import Chunk, Note
from augment.strategies.base import Ask, Options, Strategy
from augment.strategies.replies import is_whole, unparsed
from augment.strategies.sentences import sentence_chunks

AGREEMENT = 0.6  # F1 of the two answers' words from which they count as the same
# Quantifiers side by side never match the same characters: a reply of a thousand dots must not take minutes.
PAIR = re.compile(
    r"^[^\w\n]*(?:\d+[^\w\n]+)?(?:question|q)[ *#]*(?:\d+[ *]*)?[:.)][ *]*"
    r"(?P<question>[^\s*][^\n]*\?)[^\w\n]*\n(?:[^\w\n]*\n)*"
    r"[^\w\n]*(?:answer|a)[ *#]*(?:\d+[ *]*)?[:.)][ *]*(?P<answer>[^\n]+)",
    re.IGNORECASE | re.MULTILINE,
)


class Questions(Options):
    """How many pairs one call asks for, whether each sentence of the chunk is asked about by itself (small models
    need that), and whether each pair is checked by answering it from the chunk."""

    per_call: int = Field(default=3, ge=1)
    per_sentence: bool = False
    verify: bool = True

    def count_calls(self, chunk: Chunk) -> int:
        num_parts = len(sentence_chunks(chunk)) if self.per_sentence else 1
        return num_parts * (1 + self.per_call * self.verify)


async def study(chunk: Chunk, ask: Ask, options: Questions) -> AsyncIterator[Note]:
    """One note per pair that could be read; the raw reply as a rejected note when none could.

    With `verify` a pair must survive the way back: the model, asked the question with the text at hand, has to find
    the same answer, in the text's own words (roundtrip consistency, Alberti et al. 1906.05416).
    """
    parts = sentence_chunks(chunk) if options.per_sentence else [chunk]
    for notes in await asyncio.gather(*(study_part(part, ask, options) for part in parts)):
        for note in notes:
            yield note


async def study_part(part: Chunk, ask: Ask, options: Questions) -> list[Note]:
    """The notes of one call."""
    reply = await ask("questions", part, count=options.per_call)
    pairs = list(parse_pairs(reply.text, is_whole(reply)))
    if not pairs:
        return [unparsed(reply)]
    checks = [check(part, ask, *pair) if options.verify else agree() for pair in pairs]
    problems = await asyncio.gather(*checks)
    return [Note(f"Question: {q}\nAnswer: {a}", reply, problem=p) for (q, a), p in zip(pairs, problems, strict=True)]


async def check(chunk: Chunk, ask: Ask, question: str, answer: str) -> str:
    """Why the pair is not to be trusted, "" when it is. What is plain to see is not asked."""
    said, wanted = words_of(chunk.text), words_of(answer)
    if not wanted or not contains(said, wanted) or contains(words_of(question), wanted):
        return "unsupported"
    back = words_of((await ask("questions_answer", chunk, greedy=True, question=question)).text.split("\n")[0])
    return "" if overlap(wanted, back) >= AGREEMENT else "inconsistent"


async def agree() -> str:
    """No objection."""
    return ""


def words_of(text: str) -> list[str]:
    """Lower-case words without articles."""
    return [word for word in re.findall(r"\w+", text.lower()) if word not in {"a", "an", "the"}]


def contains(words: list[str], part: list[str]) -> bool:
    """Whether `part` stands in `words` in one piece."""
    return f" {' '.join(part)} " in f" {' '.join(words)} "


def overlap(a: list[str], b: list[str]) -> float:
    """F1 of two bags of words."""
    common = sum((Counter(a) & Counter(b)).values())
    return 2 * common / (len(a) + len(b)) if common else 0.0


def parse_pairs(text: str, complete: bool) -> Iterator[tuple[str, str]]:
    """Question and answer of each pair; the last one of a cut reply is left out when it runs to the end."""
    for match in PAIR.finditer(text):
        if complete or match.end() < len(text.rstrip()):
            yield match["question"].strip(" *"), match["answer"].strip(" *")


STRATEGY = Strategy(
    "questions", Questions, study, templates=("questions", "questions_answer"), exempt=frozenset({"truncated"})
)
