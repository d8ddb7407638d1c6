"""Active Reading (2508.09494): the model proposes strategies for this chunk, then studies it with each."""

import asyncio
from collections.abc import AsyncIterator
from typing import Literal

from pydantic import Field

from augment.records import Chunk, Note, Reply
from augment.strategies.base import Ask, Options, Strategy
from augment.strategies.replies import is_whole, parse_headings, parse_lines, unparsed


class ActiveReading(Options):
    """At most `max_strategies` of those proposed are applied. The variant `task` first lists at most `max_questions`
    questions that cover the chunk, and proposes strategies that prepare for them."""

    variant: Literal["agnostic", "task"] = "agnostic"
    max_strategies: int = Field(default=4, ge=1)
    max_questions: int = Field(default=6, ge=1)

    def count_calls(self, chunk: Chunk) -> int:
        return 1 + (self.variant == "task") + self.max_strategies


async def study(chunk: Chunk, ask: Ask, options: ActiveReading) -> AsyncIterator[Note]:
    """First strategies, one per heading. Then one call for each of them, all at once.

    A list without headings becomes a rejected note, so that what could not be parsed is counted.
    """
    plan = await (propose_for_task if options.variant == "task" else propose)(chunk, ask, options)
    strategies = list(parse_headings(plan.text, is_whole(plan)))[: options.max_strategies]
    if not strategies:
        yield unparsed(plan)
    calls = [ask("active_reading_apply", chunk, strategy=s) for s in strategies]
    for strategy, reply in zip(strategies, await asyncio.gather(*calls), strict=True):
        yield Note(reply.text, reply, strategy_text=strategy)


async def propose(chunk: Chunk, ask: Ask, options: ActiveReading) -> Reply:
    """Strategies for the chunk, whatever it is needed for."""
    return await ask("active_reading_strategies", chunk, count=options.max_strategies)


async def propose_for_task(chunk: Chunk, ask: Ask, options: ActiveReading) -> Reply:
    """Strategies for answering questions about the chunk; a list of questions that cannot be read comes back as is."""
    asked = await ask("active_reading_questions", chunk, count=options.max_questions)
    questions = list(parse_lines(asked.text, is_whole(asked)))[: options.max_questions]
    if not questions:
        return asked
    listed = "\n".join(f"- {question}" for question in questions)
    return await ask("active_reading_task_strategies", chunk, count=options.max_strategies, questions=listed)


STRATEGY = Strategy(
    "active_reading",
    ActiveReading,
    study,
    templates=(
        "active_reading_strategies",
        "active_reading_apply",
        "active_reading_questions",
        "active_reading_task_strategies",
    ),
)
