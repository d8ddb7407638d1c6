"""Chooses an experiment's facts, known set and background from question sets, and counts what it leaves out and why."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from augment.errors import DatasetError
from train.evaluate.score import normalise
from train.facts.answers import choose_answer
from train.facts.apart import Apart
from train.facts.ask import Examinee
from train.facts.settings import Facts
from train.facts.sources import Question
from train.stage import Say

GROUP = 256  # questions between two looks at whether there are enough
T = TypeVar("T")


@dataclass(slots=True)
class Chosen:
    """The sets, and how many were asked, known and left out for which reason."""

    facts: list[Question] = field(default_factory=list)
    known_learn: list[Question] = field(default_factory=list)
    keep: list[Question] = field(default_factory=list)
    keep_known: list[bool] = field(default_factory=list)
    background: list[Question] = field(default_factory=list)
    num_asked: Counter[str] = field(default_factory=Counter)
    num_known: Counter[str] = field(default_factory=Counter)
    left_out: dict[str, Counter[str]] = field(default_factory=dict)

    def leave_out(self, part: str, reason: str) -> None:
        """Count one."""
        self.left_out.setdefault(part, Counter())[reason] += 1


def shuffled(rows: Sequence[T], seed: int, name: str) -> list[T]:
    """The rows in an order that the seed fixes: sources are often sorted by subject."""
    return random.Random(f"{seed} {name}").sample(rows, len(rows))


def choose_sets(
    learn: Sequence[Question], keep: Sequence[Question], options: Facts, base: Examinee, say: Say, more: bool
) -> Chosen:
    """All sets of an experiment.

    1. Facts: questions of `learn` in their order that read well and that the base does not answer.
    2. Known set: questions of `keep`, and those of `learn` that the base answered, apart from all facts.
    3. Background: what comes after in both, apart from facts and known set; of `keep` alone unless `more`.

    Raises DatasetError when no fact is left, or the base answers nothing.
    """
    chosen = Chosen()
    learn_left = probe(choose_facts(learn, options, base, chosen, say), options, base, chosen, say)
    keep_left = choose_keep(keep, options, base, chosen, say)
    choose_background(learn_left if more else [], keep_left, options, chosen)
    return chosen


def choose_facts(rows: Sequence[Question], options: Facts, base: Examinee, chosen: Chosen, say: Say) -> list[Question]:
    """Fill in facts and what the base knows of `learn`; what was not looked at comes back."""
    wanted, unknown = options.skip + options.num_facts, list[Question]()
    left = list(readable(rows, options, chosen))
    while left and len(unknown) < wanted:
        group, left = left[:GROUP], left[GROUP:]
        for question, knows in zip(group, base.knows(group), strict=True):
            if len(unknown) == wanted:
                left.append(question)
                continue
            chosen.num_asked["learn"] += 1
            chosen.num_known["learn"] += knows
            (chosen.known_learn if knows else unknown).append(question)
        say(f"facts: {chosen.num_asked['learn']} questions asked, {len(unknown)} of {wanted} facts found")
    chosen.facts = unknown[options.skip :]
    if not chosen.facts:
        raise DatasetError("no fact is left to learn", "give more questions, or lower facts.skip")
    return left


def probe(rows: Sequence[Question], options: Facts, base: Examinee, chosen: Chosen, say: Say) -> list[Question]:
    """Ask `num_probed` more: what the base answers is for the known set, what it does not comes back with the rest."""
    asked, left = rows[: options.num_probed], list[Question]()
    for start in range(0, len(asked), GROUP):
        group = asked[start : start + GROUP]
        for question, knows in zip(group, base.knows(group), strict=True):
            (chosen.known_learn if knows else left).append(question)
        say(f"facts: {start + len(group)} of {len(asked)} more questions asked")
    chosen.num_asked["probed"] = len(asked)
    chosen.num_known["probed"] = len(asked) - len(left)
    return [*left, *rows[len(asked) :]]


def readable(rows: Sequence[Question], options: Facts, chosen: Chosen) -> Iterator[Question]:
    """Questions that can be taught and asked, the answer to teach first; of equal ones the first."""
    seen = set[tuple[str, str]]()
    for row in rows:
        answer = choose_answer(row.answers, options.max_answer_words, row.is_canonical)
        reason = fault_of(row, answer, options)
        if not reason and (row.document, normalise(row.text)) in seen:
            reason = "repeated"
        if reason:
            chosen.leave_out("learn", reason)
            continue
        seen.add((row.document, normalise(row.text)))
        yield Question(row.text, tuple(dict.fromkeys((answer, *row.answers))), True, row.document)


def fault_of(row: Question, answer: str, options: Facts) -> str:
    """Why a question is no fact to learn, "" when it is."""
    if not answer:
        return "answer_long_or_odd"
    if len(row.text.split()) > options.max_question_words:
        return "question_long"
    return "answer_in_question" if f" {normalise(answer)} " in f" {normalise(row.text)} " else ""


def choose_keep(rows: Sequence[Question], options: Facts, base: Examinee, chosen: Chosen, say: Say) -> list[Question]:
    """Fill in the known set, apart from the facts and without repetition; what was not taken comes back."""
    facts, own = Apart(chosen.facts), set[str]()
    left: list[Question] = []
    for row in rows:
        if reason := facts.objection(row) or ("repeated" if normalise(row.text) in own else ""):
            chosen.leave_out("keep", reason)
            continue
        own.add(normalise(row.text))
        (chosen.keep if len(chosen.keep) < options.num_keep else left).append(row)
    say(f"facts: asking {len(chosen.keep)} questions to keep")
    chosen.keep_known = base.knows(chosen.keep)
    chosen.num_asked["keep"], chosen.num_known["keep"] = len(chosen.keep), sum(chosen.keep_known)
    kept = Apart(chosen.keep)
    known_learn, chosen.known_learn = chosen.known_learn, []
    for row in known_learn:
        if reason := facts.objection(row) or kept.objection(row, answers_too=False):
            chosen.leave_out("known_learn", reason)
        else:
            chosen.known_learn.append(row)
    if not chosen.known_learn and not any(chosen.keep_known):
        raise DatasetError("the base model answers none of these questions", "give easier ones as facts.keep")
    return left


def choose_background(learn: Sequence[Question], keep: Sequence[Question], options: Facts, chosen: Chosen) -> None:
    """Fill in the background: from both sources in turn, apart from what is learned and what is kept."""
    taken = Apart([*chosen.facts, *chosen.keep, *chosen.known_learn])
    sources = [iter(learn), iter(keep)]
    while sources and len(chosen.background) < options.num_background:
        for source in list(sources):
            row = next_apart(source, taken, chosen)
            if row is None:
                sources.remove(source)
            elif len(chosen.background) < options.num_background:
                chosen.background.append(row)
    if not chosen.background:
        raise DatasetError("no question is left for the background", "give more questions, or lower facts.num_keep")


def next_apart(source: Iterator[Question], taken: Apart, chosen: Chosen) -> Question | None:
    """The next question that stands apart, None when there is none."""
    for row in source:
        if not (reason := taken.objection(row)):
            return row
        chosen.leave_out("background", reason)
    return None
