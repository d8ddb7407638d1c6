"""The chunk itself as a note: the baseline of plain continued training (2312.05934), and what trained cues quote."""

from collections.abc import AsyncIterator

from augment.records import Chunk, Note, Reply
from augment.strategies.base import Ask, Options, Strategy


class Verbatim(Options):
    """No options of its own."""

    def count_calls(self, chunk: Chunk) -> int:
        return 0


async def study(chunk: Chunk, ask: Ask, options: Verbatim) -> AsyncIterator[Note]:
    """The chunk, without asking anything."""
    yield Note(chunk.text.strip(), Reply("", "stop", 0, 0))


STRATEGY = Strategy("verbatim", Verbatim, study, exempt=frozenset({"copy", "too_long"}))
