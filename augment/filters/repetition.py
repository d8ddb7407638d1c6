"""Rejects a note that loops: the same lines or the same words again and again."""

import re

from augment.filters.base import Filters
from augment.records import Chunk, Note

SEQUENCE = 5
WORD = re.compile(r"\w+")


def repetition(note: Note, chunk: Chunk, options: Filters) -> bool:
    """Whether too many of its lines, or of the words in its 5-word sequences, were there before.

    Two of Gopher's rules (Rae et al. 2112.11446, table A1), on words instead of characters, and with a wider limit for
    words: a list of facts names its subject in every line. What the source repeats (a refrain) is no fault of the note.
    """
    lines = [line for line in map(str.strip, note.text.splitlines()) if line]
    if lines and 1 - len(set(lines)) / len(lines) > options.max_repeated_lines:
        return True
    share = repeated_share(note.text)
    return share > options.max_repeated_words and share > repeated_share(chunk.text)


def repeated_share(text: str) -> float:
    """Share of a text's words that stand in a 5-word sequence which occurred before."""
    words = WORD.findall(text.lower())
    seen: set[tuple[str, ...]] = set()
    num_repeated, covered_to = 0, 0
    for i, sequence in enumerate(zip(*(words[k:] for k in range(SEQUENCE)), strict=False)):
        if sequence in seen:
            num_repeated += i + SEQUENCE - max(i, covered_to)
            covered_to = i + SEQUENCE
        seen.add(sequence)
    return num_repeated / len(words) if words else 0.0
