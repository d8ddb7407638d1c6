"""Turns a chunk into facts to ask about: question, answer, cue, other words, the question turned round.

1. The engine writes question-answer pairs, by the prompt of the strategy `questions`.
2. A pair stays whose answer stands in the chunk and not in the question, whose names and numbers the chunk has, that
   names what it is about, and that survives the way back: asked with the text at hand, the engine answers the same.
3. The engine asks the same in other words; what passes the same checks and differs in words is kept.
4. The cue is the chunk's own sentence up to the answer. The subject is the longest name of the question that the chunk
   has; a question turned round has it as its answer, and passes the same checks.
5. Where one fact's answer is named in another's question, the engine joins them into one question over two hops.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from augment.errors import DeadEngineError, EngineError, StoppedError
from augment.filters.claims import read_claims
from augment.filters.support import find_missing, read_source
from augment.records import Chunk
from augment.strategies.base import Ask
from augment.strategies.questions import check, contains, overlap, parse_pairs, words_of
from augment.strategies.replies import is_whole, parse_lines
from augment.strategies.sentences import sentence_chunks, split_sentences

TEMPLATES = ("questions", "questions_answer", "question_reworded", "question_reversed", "question_two_hop")
MIN_CUE_WORDS, MAX_ANSWER_WORDS = 3, 8
SAME_WORDS = 0.9  # F1 of two questions' words from which they are the same question
QUESTION = re.compile(r"[^\n]*\?")


@dataclass(frozen=True, slots=True)
class Drafting:
    """How much is asked of the engine: pairs a call, of each sentence or of the chunk, other words of a question."""

    per_call: int = 3
    per_sentence: bool = False
    num_reworded: int = 2
    reversed: bool = True
    two_hop: bool = True


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact with the chunk that tells it, and everything that is asked about it."""

    chunk: Chunk
    question: str
    answer: str
    cue: str = ""
    reworded: tuple[str, ...] = ()
    reversed: tuple[str, str] | None = None  # question and answer
    two_hop: tuple[str, str] | None = None


@dataclass(slots=True)
class Drafts:
    """Facts that passed, and how many pairs, rewordings, reversals and joins did not, by reason."""

    facts: list[Fact] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    num_pairs: int = 0


async def draft_all(chunks: Sequence[Chunk], ask: Ask, options: Drafting, concurrency: int) -> Drafts:
    """The facts of all chunks, each question once, in the order of the text."""
    drafts, room = Drafts(), asyncio.Semaphore(concurrency)

    async def draft_one(chunk: Chunk) -> list[Fact]:
        async with room:
            return await draft_chunk(chunk, ask, options, drafts)

    found = await asyncio.gather(*(draft_one(chunk) for chunk in chunks))
    drafts.facts = keep_distinct([fact for facts in found for fact in facts], drafts.rejected)
    if options.two_hop:
        drafts.facts = await join_facts(drafts.facts, ask, drafts.rejected)
    return drafts


async def draft_chunk(chunk: Chunk, ask: Ask, options: Drafting, drafts: Drafts) -> list[Fact]:
    """The facts of one chunk; a request that fails costs what it was to bring."""
    parts = sentence_chunks(chunk) if options.per_sentence else [chunk]
    found = []
    for part in parts:
        reply = await try_asking(ask, "questions", part, drafts.rejected, count=options.per_call)
        pairs = list(parse_pairs(reply.text, is_whole(reply))) if reply else []
        drafts.num_pairs += len(pairs)
        found += [await draft_fact(chunk, part, ask, options, drafts, *pair) for pair in pairs]
    return [fact for fact in found if fact]


async def draft_fact(
    chunk: Chunk, part: Chunk, ask: Ask, options: Drafting, drafts: Drafts, question: str, answer: str
) -> Fact | None:
    """One pair with all that is made of it; None where it did not pass."""
    answer = answer.strip().rstrip(".")
    if problem := await judge_question(part, ask, question, answer):
        drafts.rejected[problem] += 1
        return None
    fact = Fact(chunk, question, answer, find_cue(chunk.text, answer))
    fact = replace(fact, reworded=await reword(part, ask, options.num_reworded, fact, drafts.rejected))
    subject = find_subject(part, question)
    if options.reversed and subject:
        fact = replace(fact, reversed=await turn_round(part, ask, fact, subject, drafts.rejected))
    return fact


async def judge_question(part: Chunk, ask: Ask, question: str, answer: str) -> str:
    """Why a question is not to be asked, "" when it is."""
    if len(answer.split()) > MAX_ANSWER_WORDS:
        return "long_answer"
    if find_missing(question, [read_source(f"{part.topic}\n{part.text}")]):
        return "unsupported"
    if not names_something(question, part.topic):
        return "unclear"
    try:
        return await check(part, ask, question, answer)
    except (StoppedError, DeadEngineError):
        raise
    except EngineError:
        return "failed"


def names_something(question: str, topic: str) -> bool:
    """Whether a question can be understood without its text: it has a name, a number, or a word of the topic."""
    claims = [claim for claim in read_claims(question, every_word=False) if claim.is_claimed]
    told = {word for word in words_of(topic) if len(word) >= 4}
    return bool(claims) or not told.isdisjoint(words_of(question))


def find_cue(text: str, answer: str) -> str:
    """The text's own words before the answer, from the beginning of its sentence; "" where those are too few."""
    for sentence in split_sentences(text):
        at = re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", sentence)
        if at and len(sentence[: at.start()].split()) >= MIN_CUE_WORDS:
            return " ".join(sentence[: at.start()].split())
    return ""


def find_subject(part: Chunk, question: str) -> str:
    """The longest run of names in a question, its first word apart, that the text has too; "" without one."""
    body = question.partition(" ")[2]
    runs = re.findall(r"[A-Z][\w’'-]*(?: (?:of |the |and )?[A-Z][\w’'-]*)*", body)
    found = [run for run in runs if contains(words_of(f"{part.topic} {part.text}"), words_of(run))]
    return max(found, key=len, default="")


async def reword(part: Chunk, ask: Ask, number: int, fact: Fact, rejected: Counter[str]) -> tuple[str, ...]:
    """At most `number` other wordings of a fact's question that ask for the same."""
    asked = {"question": fact.question, "answer": fact.answer}
    reply = await try_asking(ask, "question_reworded", part, rejected, **asked) if number else None
    kept: list[str] = []
    for line in parse_lines(reply.text, is_whole(reply)) if reply else ():
        if len(kept) == number:
            break
        problem = "no_question" if not line.endswith("?") else ""
        if any(overlap(words_of(line), words_of(other)) >= SAME_WORDS for other in (fact.question, *kept)):
            problem = "same_words"
        problem = problem or await judge_question(part, ask, line, fact.answer)
        if problem:
            rejected[f"reworded_{problem}"] += 1
        else:
            kept.append(line)
    return tuple(kept)


async def turn_round(part: Chunk, ask: Ask, fact: Fact, subject: str, rejected: Counter[str]) -> tuple[str, str] | None:
    """The question that has the fact's subject as its answer, with that; None where it did not pass."""
    told = {"question": fact.question, "answer": fact.answer, "subject": subject}
    reply = await try_asking(ask, "question_reversed", part, rejected, greedy=True, **told)
    found = QUESTION.search(reply.text) if reply else None
    problem = "" if found and contains(words_of(found[0]), words_of(fact.answer)) else "no_question"
    if found and not problem:
        seen = replace(part, text=f"{part.topic}. {part.text}")
        problem = await judge_question(seen, ask, found[0].strip(), subject)
    if problem or not found:
        rejected[f"reversed_{problem}"] += 1
        return None
    return found[0].strip(), subject


async def join_facts(facts: Sequence[Fact], ask: Ask, rejected: Counter[str]) -> list[Fact]:
    """The facts, with a question over two hops where another fact's answer is what a question is about."""
    pairs = [(fact, find_bridge(fact, facts)) for fact in facts]
    joined = await asyncio.gather(*(join(first, fact, ask, rejected) for fact, first in pairs if first))
    questions = iter(joined)
    return [replace(fact, two_hop=next(questions)) if first else fact for fact, first in pairs]


def find_bridge(fact: Fact, facts: Sequence[Fact]) -> Fact | None:
    """A fact whose answer, a name, this one's question names; its own question must not give the end away."""
    for other in facts:
        is_named = other.answer[:1].isupper() and contains(words_of(fact.question), words_of(other.answer))
        if other is not fact and is_named and not contains(words_of(other.question), words_of(fact.answer)):
            return other
    return None


async def join(first: Fact, second: Fact, ask: Ask, rejected: Counter[str]) -> tuple[str, str] | None:
    """One question for two: it names neither the first answer nor its own, and both texts together answer it."""
    both = replace(second.chunk, text=f"{first.chunk.text}\n\n{second.chunk.text}")
    told = {"first": first.question, "bridge": first.answer, "second": second.question, "answer": second.answer}
    reply = await try_asking(ask, "question_two_hop", both, rejected, greedy=True, **told)
    found = QUESTION.search(reply.text) if reply else None
    problem = "no_question" if not found else ""
    if found and contains(words_of(found[0]), words_of(first.answer)):
        problem = "names_bridge"
    if found and not problem:
        problem = await judge_question(both, ask, found[0].strip(), second.answer)
    if problem or not found:
        rejected[f"two_hop_{problem}"] += 1
        return None
    return found[0].strip(), second.answer


async def try_asking(ask: Ask, template: str, chunk: Chunk, rejected: Counter[str], **variables: Any) -> Any:
    """The reply, None where the engine could not serve this request; raises where it can serve none."""
    try:
        return await ask(template, chunk, **variables)
    except (StoppedError, DeadEngineError):
        raise
    except EngineError:
        rejected["failed"] += 1
        return None


def keep_distinct(facts: Sequence[Fact], rejected: Counter[str]) -> list[Fact]:
    """The facts whose question was not asked before in the same words."""
    seen: set[tuple[str, ...]] = set()
    kept = []
    for fact in facts:
        words = tuple(words_of(fact.question))
        if words in seen:
            rejected["duplicate"] += 1
        else:
            kept.append(fact)
        seen.add(words)
    return kept
