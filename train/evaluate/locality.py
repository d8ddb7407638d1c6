"""Compares what a trained model says to prompts that its training is not about with what the base model said.

Locality as in MEND and ROME (Mitchell et al. 2110.11309, Meng et al. 2202.05262): outputs, right or wrong, are to stay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from train.config import Evaluate
from train.evaluate.probes import FindContext, Probe, no_context, score_answer
from train.evaluate.questions import read_neighbours
from train.evaluate.score import opening_words
from train.evaluate.writer import Writer


def read_locality(options: Evaluate, base: Path) -> list[Probe]:
    """The prompts of all sets; `document` is the set's name, `expected` the true answer, for its length."""
    rows = [row for source in options.locality for row in read_neighbours(source, base)]
    return [Probe(row["id"], row["set"], "locality", row["prompt"], [row["answer"]]) for row in rows]


def ask_neighbours(
    writer: Writer,
    probes: Sequence[Probe],
    options: Evaluate,
    base: Mapping[str, str] | None,
    find_context: FindContext = no_context,
) -> list[dict[str, Any]]:
    """Each probe with the model's answer; `expected` is what the base model answered (`base`, by id; None: itself).

    As many words are compared as the true answer has, where it is known: what comes after them is chatter.
    """
    texts = writer.answer([probe.text(find_context(probe)) for probe in probes], options.max_new_tokens)
    records = []
    for probe, text in zip(probes, texts, strict=True):
        said = text if base is None else base[key_of(probe)]
        wanted = shorten(said, probe)
        record = score_answer(replace(probe, expected=[wanted]), shorten(text, probe))
        same = record["em"] or shorten(text, probe) == wanted
        records.append(record | {"answer": text, "em": same, "f1": 1.0 if same else record["f1"]})
    return records


def shorten(text: str, probe: Probe) -> str:
    """As many words as the true answer has; all of them where it is not known."""
    return opening_words(text, probe.expected) if probe.expected[0] else text


def key_of(probe: Probe) -> str:
    """What identifies a prompt across runs."""
    return f"{probe.document} {probe.id}"


def outputs_of(answers: Sequence[dict[str, Any]]) -> dict[str, str]:
    """What a recorded evaluation answered to these prompts, by key."""
    return {f"{a['document']} {a['id']}": a["answer"] for a in answers if a["kind"] == "locality"}


def summarise_locality(answers: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Share of unchanged outputs, mean F1 with the base's, and number of prompts of each set."""
    found: dict[str, list[dict[str, Any]]] = {}
    for answer in answers:
        found.setdefault(answer["document"], []).append(answer)
    return {
        name: {"unchanged": mean_of(rows, "em"), "f1": mean_of(rows, "f1"), "n": len(rows)}
        for name, rows in found.items()
    }


def mean_of(rows: Sequence[dict[str, Any]], key: str) -> float:
    """Mean of one figure."""
    return float(sum(row[key] for row in rows) / len(rows))
