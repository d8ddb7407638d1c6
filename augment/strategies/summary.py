"""What the chunk comes down to, in a length that changes with the round (the distilled text of 2412.02595)."""

from collections.abc import AsyncIterator

from pydantic import Field

from augment.records import Chunk, Note
from augment.strategies.base import Ask, Options, Strategy

LENGTHS = ["two sentences", "one sentence", "three short sentences"]


class Summary(Options):
    """Round i asks for length i of `lengths`, starting over at the end."""

    lengths: list[str] = Field(default=LENGTHS, min_length=1)


async def study(chunk: Chunk, ask: Ask, options: Summary) -> AsyncIterator[Note]:
    """One note: the chunk in this round's length."""
    length = options.lengths[ask.round % len(options.lengths)]
    reply = await ask("summary", chunk, length=length)
    yield Note(reply.text, reply, strategy_text=length)


STRATEGY = Strategy("summary", Summary, study, templates=("summary",))
