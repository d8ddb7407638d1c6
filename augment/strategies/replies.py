"""Turns a reply into its parts, list items or headed sections; the last part of a reply that was cut is left out."""

import re
from collections.abc import Iterator
from itertools import pairwise

from augment.records import Note, Reply

HEADING = re.compile(r"^#{1,6}[ \t]+(?P<title>\S.*)$", re.MULTILINE)
LINE = re.compile(r"^[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]+(?P<text>\S[^\n]*)$", re.MULTILINE)


def is_whole(reply: Reply) -> bool:
    """Whether the reply came to its own end."""
    return reply.finish_reason == "stop"


def unparsed(reply: Reply) -> Note:
    """The raw reply as a rejected note, so that what could not be read is counted and can be looked at."""
    return Note(reply.text, reply, problem="unparsed")


def note_lines(reply: Reply) -> list[Note]:
    """One note per item of the reply's list; the raw reply as a rejected note when it holds none."""
    lines = list(parse_lines(reply.text, is_whole(reply)))
    return [Note(line, reply) for line in lines] or [unparsed(reply)]


def parse_lines(text: str, complete: bool) -> Iterator[str]:
    """The texts of list items; the last one of a cut reply is left out when it runs to the end."""
    for match in LINE.finditer(text):
        if complete or match.end() < len(text.rstrip()):
            yield match["text"].strip()


def parse_headings(text: str, complete: bool) -> Iterator[str]:
    """Each Markdown heading with the text below it; the last section of a cut reply is left out."""
    starts = [match.start() for match in HEADING.finditer(text)]
    if not starts:
        return
    sections = [text[a:b].strip() for a, b in pairwise([*starts, len(text)])]
    for section in sections if complete else sections[:-1]:
        yield section.lstrip("#").strip()
