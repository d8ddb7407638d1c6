"""Active Reading (2508.09494): the model proposes strategies for this chunk, then studies it with each."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise

from pydantic import Field

from augment.records import Chunk, Note
from augment.strategies.base import Ask, Options, Strategy

HEADING = re.compile(r"^#{1,6}[ \t]+(?P<title>\S.*)$", re.MULTILINE)


class ActiveReading(Options):
    """At most `max_strategies` of those proposed are applied."""

    max_strategies: int = Field(default=4, ge=1)


async def study(chunk: Chunk, ask: Ask, options: ActiveReading) -> AsyncIterator[Note]:
    """First call: strategies, one per heading. Then one call for each of them, all at once.

    A list without headings becomes a rejected note, so that what could not be parsed is counted.
    """
    plan = await ask("active_reading_strategies", chunk, count=options.max_strategies)
    strategies = list(parse_headings(plan.text, plan.finish_reason == "stop"))[: options.max_strategies]
    if not strategies:
        yield Note(plan.text, plan, problem="unparsed")
    calls = [ask("active_reading_apply", chunk, strategy=s) for s in strategies]
    for strategy, reply in zip(strategies, await asyncio.gather(*calls), strict=True):
        yield Note(reply.text, reply, strategy_text=strategy)


def parse_headings(text: str, complete: bool) -> Iterator[str]:
    """Each Markdown heading with the text below it; the last section of a cut reply is dropped."""
    starts = [match.start() for match in HEADING.finditer(text)]
    if not starts:
        return
    sections = [text[a:b].strip() for a, b in pairwise([*starts, len(text)])]
    for section in sections if complete else sections[:-1]:
        yield section.lstrip("#").strip()


STRATEGY = Strategy(
    "active_reading", ActiveReading, study, templates=("active_reading_strategies", "active_reading_apply")
)
