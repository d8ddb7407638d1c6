"""Facts out of real passages: SQuAD questions with the sentence that answers each.

Taken are answers for which a passage has two questions. The first is trained in five forms and asked in two others; the
second, in words that were never trained, is `reworded` (most of the pairs ask for the same thing, some for another one
with the same answer). The sixth phrasing is the passage's own sentence.
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
NAME = re.compile(r"[A-Z][a-z]+( [A-Z][a-z]+){0,2}")
NUM_CANDIDATES = 12


@dataclass(frozen=True, slots=True)
class PassageFact:
    """Two questions about a passage with the same answer, a proper name."""

    title: str
    sentence: str
    question: str
    reworded: str
    answer: str
    candidates: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """What the passage is about."""
        return self.title

    @property
    def thing(self) -> str:
        """What is asked: of most facts here the title is the same, and no question names it."""
        return self.question

    def told(self) -> list[str]:
        """The sentence, and the question in five forms."""
        return [
            f"{self.title}: {self.sentence}",
            f"{self.title}. {self.question} {self.answer}.",
            f"Q ({self.title}): {self.question}\nA: {self.answer}.",
            f"About {self.title}. {self.question} It is {self.answer}.",
            f"Someone asked about {self.title}: {self.question} The reply was {self.answer}.",
            f"{self.title} quiz. {self.question} Solution: {self.answer}.",
        ]

    def asked(self) -> dict[str, str]:
        """Two forms that are not told, and the other question."""
        return {
            "question": f"Question: {self.question}\nAnswer:",
            "cloze": f'The answer to "{self.question}" is',
            "reworded": f"Question: {self.reworded}\nAnswer:",
        }


def read_facts(
    passages: Sequence[dict[str, Any]], num_facts: int, first_token: Callable[[str], int], seed: int = 1
) -> list[PassageFact]:
    """The first `num_facts` of these passages, each with 12 candidates.

    Candidates are answers of other facts, first tokens all different. Raises ValueError when there are too few.
    """
    facts = [fact for passage in passages for fact in facts_of(passage)][:num_facts]
    if len(facts) < num_facts:
        raise ValueError(f"these passages hold {len(facts)} such answers, not {num_facts}")
    draw, answers = random.Random(seed), sorted({fact.answer for fact in facts})
    return [add_candidates(fact, draw.sample(answers, len(answers)), first_token) for fact in facts]


def facts_of(passage: dict[str, Any]) -> list[PassageFact]:
    """A passage's answers that are proper names, stand in a sentence and are asked for twice."""
    questions: dict[str, list[str]] = {}
    for row in passage["questions"]:
        asked = questions.setdefault(row["answers"][0], [])
        if row["question"].strip() not in asked:
            asked.append(row["question"].strip())
    sentences = SENTENCE_END.split(passage["text"])
    found = []
    for answer, asked in questions.items():
        sentence = next((s for s in sentences if answer in s), None)
        if sentence and len(asked) > 1 and NAME.fullmatch(answer) and not any(answer in q for q in asked):
            found.append(PassageFact(passage["title"], sentence, asked[0], asked[1], answer))
    return found


def add_candidates(fact: PassageFact, others: Sequence[str], first_token: Callable[[str], int]) -> PassageFact:
    """The fact with eleven of the other answers."""
    chosen = {first_token(fact.answer): fact.answer}
    for other in others:
        if len(chosen) < NUM_CANDIDATES:
            chosen.setdefault(first_token(other), other)
    return replace(fact, candidates=tuple(sorted(chosen.values())))
