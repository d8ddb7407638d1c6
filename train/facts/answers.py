"""Chooses, of an answer's aliases, the one that is taught: well formed and most like the others."""

import re
from collections.abc import Sequence

WELL_FORMED = re.compile(r"[^\W_][\w'’&.,:!$£€%/ -]*")
MAX_COMPARED = 60


def choose_answer(aliases: Sequence[str], max_words: int, is_canonical: bool = False) -> str:
    """The alias to teach, "" when none reads well in `max_words` words. The canonical one, first, is preferred.

    Others come in no order and hold misspellings and far-fetched titles, so the one that shares most with the rest is
    taken; among spellings that differ in capitals alone, the one whose words begin with them.
    """
    good = [a for a in aliases if WELL_FORMED.fullmatch(a) and len(a.split()) <= max_words and "disambig" not in a]
    if not good:
        return ""
    if is_canonical and good[0] == aliases[0]:
        return good[0]
    compared = [trigrams(a) for a in aliases[:MAX_COMPARED]]
    return max(good, key=lambda a: (round(likeness(trigrams(a), compared), 6), count_capitals(a), -good.index(a)))


def trigrams(text: str) -> frozenset[str]:
    """The runs of three characters of a text in lower case, its edges among them."""
    padded = f"  {text.lower()} "
    return frozenset(padded[i : i + 3] for i in range(len(padded) - 2))


def likeness(own: frozenset[str], others: Sequence[frozenset[str]]) -> float:
    """Sum of the Jaccard similarities with the others."""
    return sum(len(own & other) / len(own | other) for other in others)


def count_capitals(text: str) -> int:
    """Words that begin as names do, with one capital; figures count too."""
    return sum(1 for word in text.split() if not word[0].islower() and not word[1:2].isupper())
