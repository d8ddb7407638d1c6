"""The chunk in other words, in a style that changes with the round (Maini et al. 2401.16380)."""

from collections.abc import AsyncIterator

from pydantic import Field

from augment.records import Chunk, Note
from augment.strategies.base import Ask, Options, Strategy

STYLES = [
    "in plain, simple sentences",
    "as a short encyclopaedia entry",
    "as a conversation between a curious visitor and a local guide",
    "as a list of short statements of fact, one per line",
    "as a teacher explaining it to a class",
    "as a news report",
]


class Paraphrase(Options):
    """Round i writes in style i of `styles`, starting over at the end."""

    styles: list[str] = Field(default=STYLES, min_length=1)


async def study(chunk: Chunk, ask: Ask, options: Paraphrase) -> AsyncIterator[Note]:
    """One note: the chunk rewritten in this round's style."""
    style = options.styles[ask.round % len(options.styles)]
    reply = await ask("paraphrase", chunk, style=style)
    yield Note(reply.text, reply, strategy_text=style)


STRATEGY = Strategy("paraphrase", Paraphrase, study, templates=("paraphrase",))
