"""A question-answer pair said otherwise: as a statement that ends with the answer, and as a question in other words.

For documents that are one pair each ("Question: ... Answer: ..."), as facts of a question set are. A fact seen in one
form only is hardly ever recalled in another (2309.14316), so both change their form with the round. The answer stands
last, where a causal model learns to give it after what is asked.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from augment.records import Chunk, Note, Reply
from augment.strategies.base import Ask, Options, Strategy
from augment.strategies.questions import contains, words_of
from augment.strategies.replies import is_whole

STATEMENTS = ("plain", "turned")  # forms of the templates' examples: one a round
QUESTIONS = (("name", "last"), ("names", "what"))
PAIR = re.compile(r"\s*Question:\s*(?P<question>\S[^\n]*)\n+Answer:\s*(?P<answer>\S[^\n]*)\s*")
MIN_KEPT = 0.5  # of the question's words that carry meaning
EMPTY = frozenset(
    "who whom whose what which where when why how is was are were be been being do does did has have had can could "
    "will would the and for from with that this these those of in on at by to as it its he she his her they their them "
    "there name named names called call known give given one two after before into about your you say tell word "
    "term".split()
)


class Reword(Options):
    """No options of its own."""

    def count_calls(self, chunk: Chunk) -> int:
        return 3


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and its answer."""

    question: str
    answer: str


async def study(chunk: Chunk, ask: Ask, options: Reword) -> AsyncIterator[Note]:
    """A statement and two questions, each written down in two ways; a chunk that is no pair is one rejected note
    (`no_pair`).
    """
    found = PAIR.fullmatch(chunk.text)
    if found is None:
        yield Note("", Reply("", "stop", 0, 0), problem="no_pair")
        return
    pair = Pair(found["question"].strip(), found["answer"].strip())
    forms = QUESTIONS[ask.round % len(QUESTIONS)]
    asked = (ask_question(pair, chunk, ask, form) for form in forms)
    for notes in await asyncio.gather(say_statement(pair, chunk, ask), *asked):
        for note in notes:
            yield note


async def say_statement(pair: Pair, chunk: Chunk, ask: Ask) -> list[Note]:
    """The pair as one sentence, and where that ends with the answer the rest of it as a question.

    Rejected is a sentence without the answer (`answer_lost`).
    """
    form = STATEMENTS[ask.round % len(STATEMENTS)]
    reply = await ask("reword_statement", chunk, form=form)
    line = first_line(reply)
    said = words_of(line)
    problem = judge_line(said, pair) if contains(said, words_of(pair.answer)) else "answer_lost"
    notes = [Note(line, reply, f"statement: {form}", problem)]
    if end := re.search(rf"\s(?:the |an? )?\W*{re.escape(pair.answer)}\W*$", line, re.IGNORECASE):
        text = f"Question: Fill the gap: {line[: end.start()]} ____.\nAnswer: {pair.answer}"
        notes.append(Note(text, reply, f"gap: {form}", problem))
    return notes


async def ask_question(pair: Pair, chunk: Chunk, ask: Ask, form: str) -> list[Note]:
    """The question in other words, with its answer as a pair and in running text.

    Rejected is one that tells the answer (`answer_told`), and what is no question (`no_question`).
    """
    reply = await ask("reword_question", chunk, form=form, question=pair.question)
    line = first_line(reply).removeprefix("Question:").strip()
    said = words_of(line)
    problem = judge_line(said, pair)
    if not (line.endswith("?") or line.lower().startswith("name ")):
        problem = "no_question"
    if contains(said, words_of(pair.answer)):
        problem = "answer_told"
    return [
        Note(f"Question: {line}\nAnswer: {pair.answer}", reply, f"question: {form}", problem),
        Note(f"{line} The answer is {pair.answer}.", reply, f"told: {form}", problem),
    ]


def first_line(reply: Reply) -> str:
    """The first line of a reply, "" when the token limit cut it."""
    lines = reply.text.strip().splitlines() or [""]
    return lines[0].strip() if len(lines) > 1 or is_whole(reply) else ""


def judge_line(said: list[str], pair: Pair) -> str:
    """Why a line is not to be learned, "" when it may be: it holds the question itself (`same_question`), or lost most
    of what that says (`content_lost`).
    """
    asked = words_of(pair.question)
    if contains(said, asked):
        return "same_question"
    wanted, have = set(content_of(asked)), {stem(word) for word in said}
    return "content_lost" if len(wanted & have) < MIN_KEPT * len(wanted) else ""


def content_of(words: list[str]) -> list[str]:
    """The words that carry meaning, without their endings."""
    return [stem(word) for word in words if word not in EMPTY and (len(word) > 2 or word.isdigit())]


def stem(word: str) -> str:
    """A word without the endings that rewording changes."""
    for ending in ("ing", "ed", "es", "s", "er", "ly"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word.removesuffix(ending)
    return word


STRATEGY = Strategy(
    "reword", Reword, study, templates=("reword_statement", "reword_question"), exempt=frozenset({"truncated", "copy"})
)
