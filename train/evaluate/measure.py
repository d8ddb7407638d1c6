"""One evaluation of a model: every question asked, general text measured, as the figures of a record."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from train.config import Evaluate
from train.data import Batch
from train.evaluate.likelihood import measure_likelihood
from train.evaluate.probes import FindContext, Probe, ask_probes, no_context, retention, summarise
from train.model import Loaded


@dataclass(frozen=True, slots=True)
class Exam:
    """What every model is asked: probes, general text, and how to ask."""

    probes: Sequence[Probe]
    held_out: Sequence[Batch]
    options: Evaluate


def examine(
    loaded: Loaded, exam: Exam, known: set[str] | None, find_context: FindContext = no_context
) -> dict[str, Any]:
    """Figures and answers; `known` are the ids that the base model answers, None for the base itself."""
    answers = ask_probes(loaded, exam.probes, exam.options, find_context)
    likelihood = measure_likelihood(loaded, exam.held_out)
    known = known_ids(answers) if known is None else known
    return {
        "learning": summarise(answers, ("cue", "held_out", "reversed")),
        "retention": retention(answers, known) if known else {},
        "general": {
            "nll": likelihood.nll,
            "perplexity": likelihood.perplexity,
            "num_tokens": likelihood.num_tokens,
        },
        "answers": answers,
    }


def known_ids(answers: Sequence[dict[str, Any]]) -> set[str]:
    """Ids of the general questions that were answered."""
    return {answer["id"] for answer in answers if answer["kind"] == "known" and answer["em"]}
