"""Scores short answers by exact match and token F1, with SQuAD's normalisation (Rajpurkar et al. 1606.05250)."""

import re
import string
from collections import Counter
from collections.abc import Sequence


def normalise(text: str) -> str:
    """Lower case, without punctuation and articles, single spaces."""
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def exact_match(answer: str, expected: Sequence[str]) -> bool:
    """Whether the answer equals any expected one after normalisation."""
    return any(normalise(answer) == normalise(e) for e in expected)


def token_f1(answer: str, expected: Sequence[str]) -> float:
    """Best F1 of the answer's words with those of an expected answer, 0 to 1."""
    return max(f1_of_words(normalise(answer).split(), normalise(e).split()) for e in expected)


def f1_of_words(ours: list[str], theirs: list[str]) -> float:
    """Harmonic mean of precision and recall; two empty lists match."""
    if not ours or not theirs:
        return float(ours == theirs)
    common = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * common / (len(ours) + len(theirs))


def opening_words(answer: str, expected: Sequence[str]) -> str:
    """The first words of a continuation, as many as the expected answer that it begins with, else as the first one.

    A cue is continued, not answered: the text goes on after the answer, so only its beginning is scored.
    """
    words = answer.split()
    for text in expected:
        if exact_match(" ".join(words[: len(text.split())]), [text]):
            return " ".join(words[: len(text.split())])
    return " ".join(words[: len(expected[0].split())])
