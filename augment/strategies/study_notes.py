"""Bullet points of everything in the chunk, each with its subject's full name."""

from collections.abc import AsyncIterator

from augment.records import Chunk, Note
from augment.strategies.base import Ask, Options, Strategy


class StudyNotes(Options):
    """No options of its own."""


async def study(chunk: Chunk, ask: Ask, options: StudyNotes) -> AsyncIterator[Note]:
    """One note: study notes of the chunk."""
    reply = await ask("study_notes", title=chunk.title, chunk=chunk.text)
    yield Note(reply.text, reply)


STRATEGY = Strategy("study_notes", StudyNotes, study, templates=("study_notes",))
