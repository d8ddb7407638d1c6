"""One evaluation of a model: every question asked, general text measured, as the figures of a record."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from augment.records import content_id
from train.config import Evaluate
from train.data import Batch
from train.evaluate.choices import ask_choices
from train.evaluate.free import ask_freely
from train.evaluate.likelihood import Likelihood, measure_likelihood
from train.evaluate.locality import ask_neighbours, summarise_locality
from train.evaluate.probes import FindContext, Probe, ask_probes, no_context, retention, summarise
from train.evaluate.writer import NetworkWriter, Writer
from train.model import Loaded

TOKENS_PER_BATCH = 2048  # of answers to choose from, with their questions


@dataclass(frozen=True, slots=True)
class Exam:
    """What every model is asked: probes, general text, and how to ask; finished runs also choices and the rest."""

    probes: Sequence[Probe]
    held_out: Sequence[Batch]
    options: Evaluate
    choices: Sequence[Probe] = ()
    free: Sequence[Probe] = ()
    neighbours: Sequence[Probe] = ()

    def fingerprint(self) -> str:
        """Hash of all that is asked while a run trains: figures of different exams are no points of one curve."""
        probes = json.dumps([probe.as_json() for probe in self.probes])
        texts = json.dumps([batch.ids.tolist() for batch in self.held_out])
        return content_id(probes, texts, str(self.options.max_new_tokens))


def examine(
    loaded: Loaded,
    exam: Exam,
    known: set[str] | None,
    find_context: FindContext = no_context,
    base: nn.Module | None = None,
    writer: Writer | None = None,
) -> dict[str, Any]:
    """Figures and answers; `known` are the ids that the base model answers, None for the base itself.

    With the `base` network the KL to it is measured too. Without a `writer` the network itself answers.
    """
    writer = writer or NetworkWriter(loaded, exam.options.batch_size)
    answers = ask_probes(writer, exam.probes, exam.options, find_context)
    likelihood = measure_likelihood(loaded, exam.held_out, base)
    known = known_ids(answers) if known is None else known
    return {
        "exam": exam.fingerprint(),
        "learning": summarise(answers, ("cue", "held_out", "reversed", "two_hop")),
        "retention": retention(answers, known) if known else {},
        "general": describe_likelihood(likelihood),
        "answers": answers,
    }


def examine_further(
    writer: Writer, loaded: Loaded, exam: Exam, base: Mapping[str, str] | None, find_context: FindContext = no_context
) -> dict[str, Any]:
    """What is asked of finished runs alone: choices, free answers, and prompts whose outputs are to stay (`base`'s)."""
    options = exam.options
    chosen = ask_choices(loaded, exam.choices, TOKENS_PER_BATCH, find_context)
    free = ask_freely(writer, exam.free, options.free_tokens, find_context)
    near = ask_neighbours(writer, exam.neighbours, options, base, find_context)
    answers = [*chosen, *free, *near]
    return {
        "learning": summarise(answers, ("choice", "free")),
        "locality": summarise_locality(near),
        "answers": answers,
    }


def describe_likelihood(likelihood: Likelihood) -> dict[str, Any]:
    """The record of general text: means in nats a token, and of each text its sums."""
    means = {name: getattr(likelihood, name) for name in ("nll", "perplexity", "kl", "num_tokens")}
    return means | {"texts": [asdict(text) for text in likelihood.texts]}


def known_ids(answers: Sequence[dict[str, Any]]) -> set[str]:
    """Ids of the general questions that were answered."""
    return {answer["id"] for answer in answers if answer["kind"] == "known" and answer["em"]}
