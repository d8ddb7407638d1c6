"""Scores short answers by exact match and token F1, as the official script of SQuAD v1.1 does.

Rajpurkar et al. 1606.05250; NQ-open (Lee et al. 1906.00300) is scored by the same normalisation. What that script does
on odd texts is kept, so that figures can be compared: only ASCII punctuation goes ("Zürich’s" keeps its apostrophe,
"3.5" becomes "35"), composed and decomposed accents differ, articles are English, numbers are words like others.
"""

import re
import string
from collections import Counter
from collections.abc import Sequence

PUNCTUATION = str.maketrans("", "", string.punctuation)
ARTICLE = re.compile(r"\b(a|an|the)\b")


def normalise(text: str) -> str:
    """Lower case, without ASCII punctuation and articles, single spaces."""
    return " ".join(ARTICLE.sub(" ", text.lower().translate(PUNCTUATION)).split())


def exact_match(answer: str, expected: Sequence[str]) -> bool:
    """Whether the answer equals any expected one after normalisation; two that normalise to nothing are equal."""
    return any(normalise(answer) == normalise(e) for e in expected)


def token_f1(answer: str, expected: Sequence[str]) -> float:
    """Best F1 of the answer's words with those of an expected answer, 0 to 1."""
    return max(f1_of_words(normalise(answer).split(), normalise(e).split()) for e in expected)


def f1_of_words(ours: list[str], theirs: list[str]) -> float:
    """Harmonic mean of precision and recall of words, repeated ones counted; 0 without a common word."""
    common = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * common / (len(ours) + len(theirs)) if common else 0.0


def states(text: str, expected: Sequence[str]) -> bool:
    """Whether the words of an expected answer stand in the text, one after another, after normalisation."""
    return holds(pad_words(text), [pad_words(answer) for answer in expected])


def pad_words(text: str) -> str:
    """The normalised text between spaces: then a run of words in a text is a part of its characters."""
    return f" {normalise(text)} "


def holds(text: str, answers: Sequence[str]) -> bool:
    """Whether a padded text holds a padded answer that has a word."""
    return any(answer in text for answer in answers if answer.strip())


def opening_words(answer: str, expected: Sequence[str]) -> str:
    """The first words of a continuation, as many as the expected answer that it begins with, else as the first one.

    A cue is continued, not answered: the text goes on after the answer, so only its beginning is scored.
    """
    words = answer.split()
    for text in expected:
        if exact_match(" ".join(words[: len(text.split())]), [text]):
            return " ".join(words[: len(text.split())])
    return " ".join(words[: len(expected[0].split())])
