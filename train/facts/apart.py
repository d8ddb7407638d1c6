"""Keeps question sets apart: what is equal or nearly equal to something that another set holds is left out."""

from collections.abc import Iterable

from augment.filters.leakage import MIN_WORDS, Questions
from train.evaluate.score import normalise
from train.facts.sources import Question

NEAR = 0.8  # of a question's 3-word sequences, as in the leakage filter


class Apart:
    """The normalised questions and answers of some questions, to hold others against."""

    def __init__(self, questions: Iterable[Question] = ()) -> None:
        self.questions, self.answers = set[str](), set[str]()
        self.texts: list[str] = []
        self.index: Questions | None = None
        for question in questions:
            self.add(question)

    def add(self, question: Question) -> None:
        """Remember a question."""
        self.questions.add(normalise(question.text))
        self.answers |= answers_of(question)
        self.texts.append(question.text)
        self.index = None

    def objection(self, question: Question, answers_too: bool = True) -> str:
        """Why a question may not stand beside these ("equal", "near", "same_answer"), "" when it may."""
        if normalise(question.text) in self.questions:
            return "equal"
        if answers_too and answers_of(question) & self.answers:
            return "same_answer"
        return "near" if self.is_near(question.text) else ""

    def is_near(self, text: str) -> bool:
        """Whether the text repeats one of the questions nearly, or one of them the text."""
        if self.index is None:
            self.index = Questions([t for t in self.texts if len(t.split()) >= MIN_WORDS])
        if self.index.find(text, NEAR):
            return True
        own = Questions([text])
        return len(text.split()) >= MIN_WORDS and any(own.find(t, NEAR) for t in self.neighbours(text))

    def neighbours(self, text: str) -> list[str]:
        """The questions that share a 3-word sequence with the text."""
        assert self.index is not None
        return [self.index.questions[i] for i, _ in self.index.shares(text)]


def answers_of(question: Question) -> set[str]:
    """The normalised answers that have a word."""
    return {normalise(answer) for answer in question.answers} - {""}


def count_leaks(ours: Iterable[Question], theirs: Iterable[Question]) -> int:
    """Questions of ours that are equal or nearly equal to one of theirs."""
    others = Apart(theirs)
    return sum(1 for question in ours if others.objection(question, answers_too=False))
