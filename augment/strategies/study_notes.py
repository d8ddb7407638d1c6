"""Every statement of the chunk on a line that makes sense on its own, one note each (propositions, 2312.06648)."""

from collections.abc import AsyncIterator

from augment.records import Chunk, Note
from augment.strategies.base import Ask, Options, Strategy
from augment.strategies.replies import note_lines


class StudyNotes(Options):
    """No options of its own."""


async def study(chunk: Chunk, ask: Ask, options: StudyNotes) -> AsyncIterator[Note]:
    """One note per line of the list; the raw reply as a rejected note when it holds none."""
    for note in note_lines(await ask("study_notes", chunk)):
        yield note


STRATEGY = Strategy("study_notes", StudyNotes, study, templates=("study_notes",), exempt=frozenset({"truncated"}))
