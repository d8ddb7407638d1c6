"""The strategy `shout`: the chunk in capitals, with as many exclamation marks as the options say."""

from collections.abc import AsyncIterator

from pydantic import Field

from augment.records import Chunk, Note
from augment.strategies.base import Ask, Options, Strategy


class Shout(Options):
    """How many exclamation marks end each note."""

    volume: int = Field(default=1, ge=1)


async def study(chunk: Chunk, ask: Ask, options: Shout) -> AsyncIterator[Note]:
    """One note: what the model answers, louder."""
    reply = await ask("shout", chunk, volume=options.volume)
    yield Note(reply.text.upper() + "!" * options.volume, reply)


STRATEGY = Strategy(
    "shout",
    Shout,
    study,
    templates=("shout",),
    exempt=frozenset({"copy", "unsupported"}),
    prompts="ingrain_shout",  # the importable package that holds shout.jinja
)
