"""Every statement of the chunk on a line that makes sense on its own; each line is one note."""

import re
from collections.abc import AsyncIterator, Iterator

from augment.records import Chunk, Note
from augment.strategies.base import Ask, Options, Strategy

LINE = re.compile(r"^[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]+(?P<text>\S[^\n]*)$", re.MULTILINE)


class StudyNotes(Options):
    """No options of its own."""


async def study(chunk: Chunk, ask: Ask, options: StudyNotes) -> AsyncIterator[Note]:
    """One note per line of the list; the raw reply as a rejected note when it holds none."""
    reply = await ask("study_notes", chunk)
    lines = list(parse_lines(reply.text, complete=reply.finish_reason == "stop"))
    for line in lines:
        yield Note(line, reply)
    if not lines:
        yield Note(reply.text, reply, problem="unparsed")


def parse_lines(text: str, complete: bool) -> Iterator[str]:
    """The texts of list items; the last one of a cut reply is left out when it runs to the end."""
    for match in LINE.finditer(text):
        if complete or match.end() < len(text.rstrip()):
            yield match["text"].strip()


STRATEGY = Strategy("study_notes", StudyNotes, study, templates=("study_notes",), exempt=frozenset({"truncated"}))
