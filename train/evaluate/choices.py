"""Multiple choice by likelihood: which of several answers a model finds likeliest after a question.

The score is that of lm-evaluation-harness's `acc_norm`: the sum of an answer's token log-probabilities over its length
in bytes, so that a short answer is not chosen for being short.
"""

import random
from collections.abc import Sequence
from typing import Any

from train.data import Batch, Sample, group_by_tokens, pad
from train.evaluate.likelihood import measure_likelihood
from train.evaluate.probes import FindContext, Probe, no_context
from train.evaluate.score import normalise, token_f1
from train.model import Loaded


def make_choices(facts: Sequence[dict[str, Any]], number: int) -> list[Probe]:
    """One question of each fact with `number` answers: the right one, and those that it names or other facts have.

    Other facts' answers are taken by likeness of form (names, numbers, words; how many), the likest first. A fact for
    which there are too few gives no probe.
    """
    answers = list(dict.fromkeys(fact["answer"] for fact in facts))
    probes = []
    for fact in facts if number > 1 else ():
        expected = [fact["answer"], *fact["aliases"]]
        wrong = choose_wrong(fact, answers, number - 1)
        choices = [fact["answer"], *wrong]
        random.Random(fact["id"]).shuffle(choices)
        if len(wrong) == number - 1:
            probes.append(Probe(fact["id"], fact["document"], "choice", fact["questions"][0], expected, choices))
    return probes


def choose_wrong(fact: dict[str, Any], answers: Sequence[str], number: int) -> list[str]:
    """At most `number` wrong answers to a fact: its own, then others', the likest to the right one first."""
    drawn = random.Random(f"wrong {fact['id']}").sample(answers, len(answers))
    distinct: dict[str, str] = {}
    for text in [*fact["choices"], *sorted(drawn, key=lambda text: unlikeness(text, fact["answer"]))]:
        distinct.setdefault(normalise(text), text)
    right = {normalise(text) for text in (fact["answer"], *fact["aliases"])}
    return [text for form, text in distinct.items() if form and form not in right][:number]


def unlikeness(text: str, other: str) -> tuple[bool, bool, int]:
    """How far two answers differ in form: digits, capitals, number of words."""
    digits = any(map(str.isdigit, text)) != any(map(str.isdigit, other))
    capitals = text[:1].isupper() != other[:1].isupper()
    return digits, capitals, abs(len(text.split()) - len(other.split()))


def ask_choices(
    loaded: Loaded, probes: Sequence[Probe], tokens_per_batch: int, find_context: FindContext = no_context
) -> list[dict[str, Any]]:
    """Each probe with the choice that the model finds likeliest; right when it is the expected one.

    `nll` is the right answer's, summed over its tokens, in nats.
    """
    prompts = [probe.text(find_context(probe)) for probe in probes]
    pairs = [(prompt, f" {c}") for prompt, probe in zip(prompts, probes, strict=True) for c in probe.choices]
    scores = iter(score_continuations(loaded, pairs, tokens_per_batch))
    records = []
    for probe in probes:
        by_choice = {choice: next(scores) for choice in probe.choices}
        best = max(by_choice, key=lambda choice: by_choice[choice] / count_bytes(f" {choice}"))
        right = normalise(best) in {normalise(text) for text in probe.expected}
        scored = {"em": right, "f1": token_f1(best, probe.expected), "nll": -by_choice[probe.expected[0]]}
        records.append(probe.as_json() | {"answer": best} | scored)
    return records


def score_continuations(loaded: Loaded, pairs: Sequence[tuple[str, str]], tokens_per_batch: int) -> list[float]:
    """Log-probability of each continuation after its prompt, in nats."""
    samples = [encode_pair(loaded.tokenizer, *pair) for pair in pairs]
    order = sorted(range(len(samples)), key=lambda i: len(samples[i]))
    batches: list[Batch] = [pad(group) for group in group_by_tokens([samples[i] for i in order], tokens_per_batch)]
    texts = measure_likelihood(loaded, batches).texts
    found = dict(zip(order, texts, strict=True))
    return [-found[i].nll for i in range(len(pairs))]


def count_bytes(text: str) -> int:
    """Its length as UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))


def encode_pair(tokenizer: Any, prompt: str, continuation: str) -> Sample:
    """The tokens of both together; those after the prompt's own are to be predicted, at least the last."""
    ids = list(tokenizer(prompt + continuation).input_ids)
    num_given = min(len(tokenizer(prompt).input_ids), len(ids) - 1)
    return Sample(ids, [i >= num_given for i in range(len(ids))])
