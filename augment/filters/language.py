"""Rejects a note in another language than its source, or than the one that the settings name."""

import re
from functools import lru_cache

from augment.filters.base import Filters
from augment.records import Chunk, Note

CERTAIN_PERCENT = 80  # of the letters; below that the text is mixed
# Kinds of one language that short texts do not tell apart.
SAME = {
    **dict.fromkeys(("hr", "sr", "bs", "sr-ME"), "hr"),
    **dict.fromkeys(("id", "ms"), "id"),
    **dict.fromkeys(("no", "nb", "nn", "da"), "no"),
    **dict.fromkeys(("cs", "sk"), "cs"),
    **dict.fromkeys(("pt", "gl"), "pt"),
    **dict.fromkeys(("zh", "zh-Hant"), "zh"),
    **dict.fromkeys(("en", "sco"), "en"),
}
UNREADABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def wrong_language(note: Note, chunk: Chunk, options: Filters) -> bool:
    """Whether the note is certainly in another language. Short, mixed and unknown texts are not judged."""
    if options.language is None or len(note.text) < options.min_language_characters:
        return False
    expected = find_language(chunk.text) if options.language == "source" else merge(options.language)
    found = detect(note.text) if expected else ""
    return bool(found) and found != expected


@lru_cache(maxsize=1024)
def find_language(text: str) -> str:
    """The language of a source, remembered: its notes come one after another."""
    return detect(text)


def detect(text: str) -> str:
    """ISO 639-1 code by CLD2, "" when it is not sure."""
    import pycld2

    try:
        is_sure, _, found = pycld2.detect(UNREADABLE.sub(" ", text))
    except pycld2.error:  # characters that no text has
        return ""
    _, code, percent, _ = found[0]
    return merge(code) if is_sure and code != "un" and percent >= CERTAIN_PERCENT else ""


def merge(code: str) -> str:
    """One code for kinds of one language."""
    return SAME.get(code, code)
