"""Strips an assistant's opening line ("Sure, here is ..."), rejects refusals and boilerplate."""

import re

from augment.filters.base import Filters
from augment.records import Chunk, Note

OPENER = re.compile(
    r"\A\s*(?:(?:sure|certainly|of course|absolutely|okay|ok|great)\b[^\n]*[:!.]\s*\n+"
    r"|(?:here(?:'s| is| are)|below is|the following is)\b[^\n]{0,160}:\s*\n+"
    r"|(?:rewritten|new|paraphrased) (?:text|version):\s*)",
    re.IGNORECASE,
)
REFUSAL = re.compile(
    r"\A\W*(?:i'?m (?:sorry|unable|not able)|i am (?:sorry|unable)|i apologi[sz]e|sorry,|i can(?:'t|not) "
    r"(?:help|assist|provide|do|fulfil)|as an ai\b|as a language model\b)",
    re.IGNORECASE,
)
META = re.compile(
    r"\A\W*(?:sure|certainly|of course|i'd be happy|i would be happy|i hope|let me know)\b", re.IGNORECASE
)


def strip_opener(text: str) -> str:
    """The text without an assistant's opening line."""
    return OPENER.sub("", text, count=1).strip()


def refusal(note: Note, chunk: Chunk, options: Filters) -> bool:
    """Whether the reply declines to do the task."""
    return bool(REFUSAL.match(note.text))


def boilerplate(note: Note, chunk: Chunk, options: Filters) -> bool:
    """Whether the text still opens by talking about the task after the known openers are stripped."""
    return bool(META.match(note.text))
