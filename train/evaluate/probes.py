"""Turns questions about facts and general knowledge into probes, and their answers into one evaluation record."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from augment.errors import DatasetError
from train.config import Evaluate
from train.data import read_lines
from train.evaluate.answers import complete, question_prompt
from train.evaluate.score import exact_match, opening_words, token_f1
from train.model import Loaded

Kind = Literal["cue", "held_out", "reversed", "known"]


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing to ask: `prompt` is what the user sees, `expected` all answers that count."""

    id: str
    document: str
    kind: Kind
    prompt: str
    expected: list[str]

    def text(self, before: str = "") -> str:
        """What the model is given: a cue as it is, a question after three answered ones; `before` it all, if given."""
        asked = self.prompt if self.kind == "cue" else question_prompt(self.prompt)
        return f"{before}\n\n{asked}" if before else asked


FindContext = Callable[[Probe], str]


def no_context(probe: Probe) -> str:
    """Nothing."""
    return ""


def read_probes(options: Evaluate, base: Path, documents: Sequence[str]) -> list[Probe]:
    """Probes of the facts of the trained documents, and of general knowledge."""
    facts = read_lines(base / options.facts, "id", "document", "questions", "answer")
    probes = [p for fact in facts if fact["document"] in set(documents) for p in probes_of(fact)]
    if not probes:
        raise DatasetError(f"{base / options.facts} asks nothing about the trained documents", "check `document`")
    known = read_lines(base / options.known, "id", "question", "answer")
    general = [Probe(k["id"], "", "known", k["question"], [k["answer"], *k.get("aliases", [])]) for k in known]
    return [*probes, *general]


def probes_of(fact: dict[str, Any]) -> list[Probe]:
    """The held-out phrasings, and the trained cue and the reversed question where there is one."""
    expected = [fact["answer"], *fact.get("aliases", [])]
    probes = [Probe(fact["id"], fact["document"], "cue", fact["cue"], expected)] if fact.get("cue") else []
    probes += [Probe(fact["id"], fact["document"], "held_out", q, expected) for q in fact["questions"]]
    if back := fact.get("reversed"):
        expected = [back["answer"], *back.get("aliases", [])]
        probes.append(Probe(fact["id"], fact["document"], "reversed", back["question"], expected))
    return probes


def ask_probes(
    loaded: Loaded, probes: Sequence[Probe], options: Evaluate, find_context: FindContext = no_context
) -> list[dict[str, Any]]:
    """Each probe with the model's answer, exact match and F1; `find_context` says what stands before a probe."""
    prompts = [probe.text(find_context(probe)) for probe in probes]
    texts = complete(loaded, prompts, options.max_new_tokens, options.batch_size)
    records = []
    for probe, text in zip(probes, texts, strict=True):
        answer = opening_words(text, probe.expected) if probe.kind == "cue" else text
        scores = {"em": exact_match(answer, probe.expected), "f1": token_f1(answer, probe.expected)}
        records.append(asdict(probe) | {"answer": text} | scores)
    return records


def summarise(records: Sequence[dict[str, Any]], kinds: Sequence[Kind]) -> dict[str, dict[str, float]]:
    """Mean EM and F1 and number of probes of each kind that occurs."""
    table: dict[str, dict[str, float]] = {}
    for kind in kinds:
        if found := [r for r in records if r["kind"] == kind]:
            means = {key: sum(r[key] for r in found) / len(found) for key in ("em", "f1")}
            table[kind] = means | {"n": len(found)}
    return table


def retention(records: Sequence[dict[str, Any]], known: set[str]) -> dict[str, float]:
    """Share of the known set (ids that the base answers) that is still answered, and F1 on all general questions."""
    general = [r for r in records if r["kind"] == "known"]
    kept = sum(r["em"] for r in general if r["id"] in known)
    return {
        "kept": kept / len(known),
        "num_known": len(known),
        "f1": sum(r["f1"] for r in general) / len(general),
        "n": len(general),
    }
