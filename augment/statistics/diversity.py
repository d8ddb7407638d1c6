"""Turns a sample of notes into figures that say how much they repeat each other."""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

SAMPLE_NOTES = 1000  # all figures but self-BLEU fall or rise with the number of notes: only equal samples compare
SELF_BLEU_NOTES = 24  # its cost is the square of this: 0.3 s for notes of 60 words


@dataclass(frozen=True, slots=True)
class Diversity:
    """Figures of one sample of `num_notes` notes; None where there is too little text to tell.

    `distinct_1` to `distinct_3`: different n-grams over all n-grams (Li et al. 1510.03055), 1 is most varied.
    `self_bleu`: mean BLEU of a note against the others, 0 to 100 (Zhu et al. 1802.01886), 0 is most varied.
    `compression_ratio`: bytes over zlib's bytes (Shaib et al. 2403.00553), 1 is most varied.
    """

    num_notes: int
    distinct_1: float | None
    distinct_2: float | None
    distinct_3: float | None
    self_bleu: float | None
    compression_ratio: float | None


def measure_diversity(texts: Sequence[str]) -> Diversity:
    """All figures of a sample."""
    words = [re.findall(r"\w+", text.lower()) for text in texts]
    return Diversity(
        num_notes=len(texts),
        distinct_1=share_of_distinct(words, 1),
        distinct_2=share_of_distinct(words, 2),
        distinct_3=share_of_distinct(words, 3),
        self_bleu=self_bleu(texts[:SELF_BLEU_NOTES]),
        compression_ratio=compression_ratio(texts),
    )


def share_of_distinct(notes: Sequence[Sequence[str]], n: int) -> float | None:
    """Different n-grams over all n-grams; none crosses from one note into the next."""
    grams = list(chain.from_iterable(zip(*(words[i:] for i in range(n)), strict=False) for words in notes))
    return len(set(grams)) / len(grams) if grams else None


def self_bleu(texts: Sequence[str]) -> float | None:
    """Mean over the notes of sentence BLEU with all others as references, by sacrebleu's definition."""
    if len(texts) < 2:
        return None
    from sacrebleu.metrics.bleu import BLEU  # loads only where it is asked for

    bleu = BLEU(effective_order=True)
    scores: list[float] = [bleu.sentence_score(t, [*texts[:i], *texts[i + 1 :]]).score for i, t in enumerate(texts)]
    return sum(scores) / len(scores)


def compression_ratio(texts: Sequence[str]) -> float | None:
    """Bytes of all texts over what zlib makes of them."""
    data = "\n".join(texts).encode("utf-8")
    return len(data) / len(zlib.compress(data, 9)) if data else None
