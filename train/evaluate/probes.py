"""Turns questions about facts and general knowledge into probes, and their answers into one evaluation record."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from train.config import Evaluate
from train.evaluate.answers import question_prompt
from train.evaluate.questions import read_facts, read_known
from train.evaluate.score import exact_match, opening_words, token_f1
from train.evaluate.writer import Writer

Kind = Literal["cue", "held_out", "reversed", "two_hop", "choice", "free", "known", "locality"]


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing to ask: `prompt` is what the user sees, `expected` all answers that count; `choices` if it has some."""

    id: str
    document: str
    kind: Kind
    prompt: str
    expected: list[str]
    choices: list[str] = field(default_factory=list)

    def text(self, before: str = "") -> str:
        """What the model is given: a cue as it is, a question after three answered ones; `before` it all, if given."""
        asked = self.prompt if self.is_continued else question_prompt(self.prompt)
        return f"{before}\n\n{asked}" if before else asked

    @property
    def is_continued(self) -> bool:
        """Whether the prompt is the beginning of a text; what is to stay unchanged may be that or a question."""
        return self.kind == "cue" or (self.kind == "locality" and not self.prompt.endswith("?"))

    def as_json(self) -> dict[str, Any]:
        """The record of it, choices only where it has some."""
        return {key: value for key, value in asdict(self).items() if value or key != "choices"}


FindContext = Callable[[Probe], str]


def no_context(probe: Probe) -> str:
    """Nothing."""
    return ""


def read_probes(options: Evaluate, base: Path, documents: Sequence[str]) -> list[Probe]:
    """Probes of the facts of the trained documents, and of general knowledge."""
    probes = [p for fact in read_facts(options.facts, base, documents) for p in probes_of(fact)]
    known = read_known(options.known, base)
    return [*probes, *(Probe(k["id"], "", "known", k["question"], k["answers"]) for k in known)]


def probes_of(fact: dict[str, Any]) -> list[Probe]:
    """The trained cue, the held-out phrasings, and the reversed and two-hop questions, as far as there are any."""
    name, document, expected = fact["id"], fact["document"], [fact["answer"], *fact["aliases"]]
    probes = [Probe(name, document, "cue", fact["cue"], expected)] if fact["cue"] else []
    probes += [Probe(name, document, "held_out", question, expected) for question in fact["questions"]]
    for kind in ("reversed", "two_hop"):
        if other := fact[kind]:
            answers = [other["answer"], *other.get("aliases", [])]
            probes.append(Probe(name, document, kind, other["question"], answers))
    return probes


def ask_probes(
    writer: Writer, probes: Sequence[Probe], options: Evaluate, find_context: FindContext = no_context
) -> list[dict[str, Any]]:
    """Each probe with the model's answer, exact match and F1; `find_context` says what stands before a probe."""
    prompts = [probe.text(find_context(probe)) for probe in probes]
    texts = writer.answer(prompts, options.max_new_tokens)
    return [score_answer(probe, text) for probe, text in zip(probes, texts, strict=True)]


def score_answer(probe: Probe, text: str) -> dict[str, Any]:
    """The record of an answer; of a continued text, only as many words as are expected are compared."""
    answer = opening_words(text, probe.expected) if probe.is_continued else text
    scores = {"em": exact_match(answer, probe.expected), "f1": token_f1(answer, probe.expected)}
    return probe.as_json() | {"answer": text} | scores


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
