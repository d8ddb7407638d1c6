"""Picks the few changed answers that a reader sees, spread over questions, documents and methods."""

from collections import Counter
from collections.abc import Sequence

from train.report.compare import Change
from train.report.results import Kind

MAX_SAMPLES = 12
# Held-out phrasings say most: the training text does not contain them.
KIND_ORDER: dict[Kind, int] = {
    "held_out": 0, "reversed": 1, "two_hop": 2, "free": 3, "cue": 4, "choice": 5, "known": 6, "locality": 7,
}  # fmt: skip


def choose_samples(changes: Sequence[Change], limit: int = MAX_SAMPLES) -> tuple[Change, ...]:
    """Take, one at a time, the change whose question, document and method were shown least so far."""
    left = sorted(changes, key=lambda c: (KIND_ORDER[c.kind], c.document, c.id, c.prompt, c.label, c.run))
    shown: Counter[tuple[str, str]] = Counter()
    chosen: list[Change] = []
    while left and len(chosen) < limit:
        change = min(left, key=lambda c: tuple(shown[part] for part in _parts(c)))
        left.remove(change)
        chosen.append(change)
        shown.update(_parts(change))
    return tuple(sorted(chosen, key=lambda c: (c.document, c.id, c.prompt, c.label, c.run)))


def _parts(change: Change) -> list[tuple[str, str]]:
    return [("question", change.id), ("document", change.document), ("method", change.label)]
