"""Rejects a note with a name or a number that its chunk does not have."""

import re
from functools import lru_cache

from augment.filters.base import Filters
from augment.records import Chunk, Note

WORD = re.compile(r"\d[\d,.:]*\d|\w+(?:['’]\w+)?")
SENTENCE_START = re.compile(r"(?:^|[.!?:]\s+|[\n\"“(]\s*)[\W_]*\Z")


def unsupported(note: Note, chunk: Chunk, options: Filters) -> bool:
    """Whether a number of the note, or a capitalised word inside a sentence, occurs in neither title nor chunk."""
    known = known_words(f"{chunk.topic} {chunk.text}")
    return any(stem(word) not in known for word in claims(note.text))


@lru_cache(maxsize=256)
def known_words(source: str) -> frozenset[str]:
    """The stems of a source's words; a chunk's units come one after the other."""
    return frozenset(stem(word) for word in WORD.findall(source))


def claims(text: str) -> list[str]:
    """Numbers, and capitalised words that do not begin a sentence (there, any word has a capital)."""
    found = []
    for match in WORD.finditer(text):
        word = match[0]
        named = word[0].isupper() and word != "I" and not SENTENCE_START.search(text, 0, match.start())
        if named or word[0].isdigit():
            found.append(word)
    return found


def stem(word: str) -> str:
    """Lower case, without thousands separators, possessive or plural s."""
    word = re.sub(r"['’]s?$", "", word.lower().replace(",", ""))
    return word.removesuffix("s")
