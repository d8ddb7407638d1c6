"""What follows from the chunk, one statement a line (implications as in SEAL, Zweiger et al. 2506.10943)."""

from collections.abc import AsyncIterator

from pydantic import Field

from augment.records import Chunk, Note
from augment.strategies.base import Ask, Options, Strategy
from augment.strategies.replies import note_lines


class Implications(Options):
    """How many one call asks for."""

    per_call: int = Field(default=4, ge=1)


async def study(chunk: Chunk, ask: Ask, options: Implications) -> AsyncIterator[Note]:
    """One note per statement; the raw reply as a rejected note when it holds no list."""
    for note in note_lines(await ask("implications", chunk, count=options.per_call)):
        yield note


STRATEGY = Strategy("implications", Implications, study, templates=("implications",), exempt=frozenset({"truncated"}))
