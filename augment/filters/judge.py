"""Asks the engine whether a note says what its source says, and reads the verdict."""

import re

from augment.errors import DeadEngineError, EngineError, StoppedError
from augment.records import Chunk, Note
from augment.strategies.base import Ask

TEMPLATE = "judge"
VERDICT = re.compile(r"\A[\s*\"']*(supported|contradicted|not stated)\b", re.IGNORECASE)
UNPARSED = "unparsed"


async def judge_note(note: Note, chunk: Chunk, ask: Ask) -> str:
    """supported, contradicted or not stated; unparsed when the engine says anything else, or nothing."""
    try:
        reply = await ask(TEMPLATE, chunk, greedy=True, note=note.text)
    except (StoppedError, DeadEngineError):
        raise
    except EngineError:
        return UNPARSED
    return read_verdict(reply.text)


def read_verdict(text: str) -> str:
    """The verdict with which the answer begins; a word in the middle of other talk is none."""
    match = VERDICT.match(text)
    return match[1].lower() if match else UNPARSED
