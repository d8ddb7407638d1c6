"""Finds the questions of an evaluation in notes: what is asked later must not be learned as it stands."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from augment.errors import ConfigError
from augment.filters.base import Leakage

WORD = re.compile(r"\w+")
SEQUENCE = 3  # words
MIN_WORDS = 4  # a question shorter than that is everybody's


class Questions:
    """The questions of one file, by their 3-word sequences."""

    def __init__(self, questions: list[str]) -> None:
        self.questions, self.num_sequences = questions, list[int]()
        self.places: dict[str, list[int]] = {}
        for i, question in enumerate(questions):
            found = sequences(question)
            self.num_sequences.append(len(found))
            for sequence in found:
                self.places.setdefault(sequence, []).append(i)

    def find(self, text: str, min_share: float) -> str:
        """The question of which the text repeats the largest share, "" when that is less than `min_share`."""
        shares = [(share, -i) for i, share in self.shares(text)]
        share, place = max(shares, default=(0.0, 0))
        return self.questions[-place] if shares and share >= min_share else ""

    def find_all(self, text: str, min_share: float) -> list[str]:
        """All questions of which the text repeats at least `min_share`."""
        return [self.questions[i] for i, share in self.shares(text) if share >= min_share]

    def shares(self, text: str) -> Iterator[tuple[int, float]]:
        """Each question that shares a sequence with the text, and how many of its sequences the text has."""
        counts = Counter(i for sequence in sequences(text) for i in self.places.get(sequence, ()))
        yield from ((i, count / self.num_sequences[i]) for i, count in counts.items())


def sequences(text: str) -> set[str]:
    """The runs of 3 words in a text, whatever its case and punctuation."""
    words = WORD.findall(text.lower())
    return {" ".join(words[i : i + SEQUENCE]) for i in range(len(words) - SEQUENCE + 1)}


def find_leak(text: str, options: Leakage) -> str:
    """The evaluation's question that the text repeats, "" when there is none."""
    return load_questions(options.path).find(text, options.min_share)


def questions_of(record: Any) -> Iterator[str]:
    """What one line asks: `question` and `questions`, and those of its `reversed` and `two_hop` form, as in facts."""
    many = record.get("questions", [])
    for question in [record.get("question"), *(many if isinstance(many, list) else [])]:
        if isinstance(question, str):
            yield question
    for form in ("reversed", "two_hop"):
        if isinstance(record.get(form), dict):
            yield from questions_of(record[form])


@lru_cache(maxsize=4)
def load_questions(path: str) -> Questions:
    """The questions of a jsonl file; raises ConfigError naming the line that is wrong."""
    todo = 'give a file with {"question": "..."} in each line as augment.filters.leakage.path'
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the questions in {path} cannot be read ({error})", todo) from None
    questions: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = list(questions_of(json.loads(line)))
        except (ValueError, TypeError, AttributeError, RecursionError):
            found = []
        if not found:
            raise ConfigError(f"{path}:{number} holds no question", todo)
        questions += [question for question in found if len(WORD.findall(question)) >= MIN_WORDS]
    if not questions:
        raise ConfigError(f"{path} holds no question of {MIN_WORDS} words", todo)
    return Questions(questions)
