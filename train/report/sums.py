"""Reads the figures of a run as sums over groups that belong together: what is drawn anew to say how sure they are.

A reader takes a run and the base model and gives, by group, a sum and how many were summed: the questions of a fact,
the tokens of a text. The groups of all runs of one exam are the same.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from train.report.results import Answer, Kind, RunResult

Sizes = dict[str, tuple[float, float]]
Read = Callable[[RunResult, RunResult], Sizes]


def read_kind(*kinds: Kind) -> Read:
    """Exact matches of some kinds of question, grouped by fact."""
    return lambda run, base: sum_by_id([answer for answer in run.answers if answer.kind in kinds])


def read_f1(kind: Kind) -> Read:
    """Token F1 of one kind of question, grouped by fact."""
    return lambda run, base: sum_by_id([answer for answer in run.answers if answer.kind == kind], lambda a: a.f1)


def read_answer_nll(run: RunResult, base: RunResult) -> Sizes:
    """NLL of the right answers where it was recorded, grouped by fact."""
    return sum_by_id([answer for answer in run.answers if answer.nll is not None], lambda a: a.nll or 0.0)


def read_kept(run: RunResult, base: RunResult) -> Sizes:
    """The questions that the base model answers."""
    known = {answer.question for answer in base.answers if answer.kind == "known" and answer.em}
    return sum_by_id([answer for answer in run.answers if answer.question in known])


def leave_out(prompts: Collection[str], read: Read) -> Read:
    """What a reader finds without these questions."""

    def rest(run: RunResult) -> RunResult:
        return replace(run, answers=tuple(answer for answer in run.answers if answer.prompt not in prompts))

    return lambda run, base: read(rest(run), rest(base))


def read_lost(run: RunResult, base: RunResult) -> Sizes:
    """Of the questions that the base model answers, those that the run does not."""
    return {key: (number - right, number) for key, (right, number) in read_kept(run, base).items()}


def read_gained(run: RunResult, base: RunResult) -> Sizes:
    """Of the general questions that the base model does not answer, those that the run does."""
    unknown = {answer.question for answer in base.answers if answer.kind == "known" and not answer.em}
    return sum_by_id([answer for answer in run.answers if answer.question in unknown])


def read_locality(name: str) -> Read:
    """Outputs of one set that are as the base's."""
    return lambda run, base: sum_by_id([a for a in run.answers if a.kind == "locality" and a.document == name])


def list_localities(run: RunResult) -> dict[str, int]:
    """The sets of prompts whose outputs are to stay, and how many each has."""
    counts: dict[str, int] = defaultdict(int)
    for answer in run.answers:
        if answer.kind == "locality":
            counts[answer.document] += 1
    return dict(counts)


def read_loss(run: RunResult, base: RunResult) -> Sizes:
    """NLL of general text, grouped by text."""
    return {str(i): (text.nll, text.num_tokens) for i, text in enumerate(run.general.texts)}


def read_kl(run: RunResult, base: RunResult) -> Sizes:
    """KL to the base on general text, grouped by text."""
    return {str(i): (text.kl or 0.0, text.num_tokens) for i, text in enumerate(run.general.texts)}


def read_fluency(kind: str, place: int) -> Read:
    """Repeated share (0) or words (1) of each free continuation of a kind."""
    return lambda run, base: {str(i): (text[place], 1.0) for i, text in enumerate(run.fluency[kind].texts)}


def sum_by_id(answers: Sequence[Answer], read: Callable[[Answer], float] = lambda answer: answer.em) -> Sizes:
    """A figure and the number of questions of each id."""
    sums: Sizes = defaultdict(lambda: (0.0, 0.0))
    for answer in answers:
        total, number = sums[answer.id]
        sums[answer.id] = (total + read(answer), number + 1)
    return dict(sums)
