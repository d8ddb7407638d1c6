"""Lets a model go on writing freely, about the documents and in general, and counts how much it repeats itself."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from train.config import Evaluate
from train.evaluate.probes import Probe
from train.evaluate.writer import Writer

OPENING_WORDS = 12
REPEATED = 4  # words
FIGURES = ("repeated", "num_words", "ended")


@dataclass(frozen=True, slots=True)
class Opening:
    """What a model goes on from: a cue about a document, or the first words of a general text."""

    kind: Literal["document", "general"]
    prompt: str


def list_openings(probes: Sequence[Probe], passages: Sequence[str], number: int) -> list[Opening]:
    """`number` of each kind, spread evenly; all of them where there are fewer."""
    cues = [probe.prompt for probe in probes if probe.kind == "cue"]
    starts = [" ".join(text.split()[:OPENING_WORDS]) for text in passages]
    openings = [Opening("document", cue) for cue in spread(cues, number)]
    return [*openings, *(Opening("general", start) for start in spread(starts, number))]


def spread(texts: Sequence[str], number: int) -> Iterator[str]:
    """At most `number` texts at even distances."""
    number = min(number, len(texts))
    yield from (texts[i * len(texts) // number] for i in range(number))


def measure_fluency(writer: Writer, openings: Sequence[Opening], options: Evaluate) -> dict[str, Any]:
    """Each continuation with its figures (`texts`), and their means by kind with their number `n`."""
    prompts = [opening.prompt for opening in openings]
    written = writer.write_on(prompts, options.open_tokens)
    texts = [
        asdict(opening)
        | {"text": end.text, "repeated": repeated_share(end.text), "num_words": len(end.text.split())}
        | {"ended": end.ended}
        for opening, end in zip(openings, written, strict=True)
    ]
    kinds = dict.fromkeys(opening.kind for opening in openings)
    return {kind: mean_figures([t for t in texts if t["kind"] == kind]) for kind in kinds} | {"texts": texts}


def mean_figures(texts: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Means over texts."""
    return {key: sum(t[key] for t in texts) / len(texts) for key in FIGURES} | {"n": len(texts)}


def repeated_share(text: str) -> float:
    """Share of 4-word sequences that stood in the text before (seq-rep-4 of Welleck et al. 1908.04319, in words)."""
    words = text.split()
    grams = [tuple(words[i : i + REPEATED]) for i in range(len(words) - REPEATED + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0
