"""Marks the tokens that the notes about one thing keep saying and notes about other things do not: names, above all."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from train.data import Sample

LONGEST = 3  # tokens of a phrase
LEAST_NOTES, LEAST_SHARE = 3, 0.1  # of those about one thing that say it: it may hold several facts
MOST_THINGS = 0.2  # share of all things whose notes say it

Phrase = tuple[int, ...]


def mark_recurring(samples: Sequence[Sample]) -> list[Sample]:
    """The samples, `recurs` marking each token of a phrase of one to three tokens that recurs.

    It does when a tenth of the notes about one chunk of a document say it, three at least, and the notes of at most a
    fifth of all chunks (of one, where there are fewer than ten). Tokens that the notes about more chunks say ("the",
    "?") are not marked within a phrase either. Where nothing recurs, all tokens are marked.
    """
    groups: dict[tuple[str, tuple[int, int]], list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.document, sample.span].append(sample)
    said = {thing: Counter(p for note in notes for p in set(phrases(note.ids))) for thing, notes in groups.items()}
    things = Counter(phrase for counts in said.values() for phrase in counts)
    most = max(1, int(MOST_THINGS * len(groups)))
    common = {phrase[0] for phrase, n in things.items() if len(phrase) == 1 and n > most}
    recurring = {
        thing: {p for p, n in counts.items() if n >= least_of(groups[thing]) and things[p] <= most}
        for thing, counts in said.items()
    }
    return [mark(sample, recurring[sample.document, sample.span], common) for sample in samples]


def least_of(notes: Sequence[Sample]) -> float:
    """How many of the notes must say a phrase."""
    return max(LEAST_NOTES, LEAST_SHARE * len(notes))


def phrases(ids: Sequence[int]) -> Iterator[Phrase]:
    """All runs of one to three tokens."""
    return (tuple(ids[at : at + size]) for size in range(1, LONGEST + 1) for at in range(len(ids) - size + 1))


def mark(sample: Sample, recurring: set[Phrase], common: set[int]) -> Sample:
    """The sample with its marks."""
    marks = [False] * len(sample)
    for size in range(1, LONGEST + 1):
        for at in range(len(sample) - size + 1):
            if tuple(sample.ids[at : at + size]) in recurring:
                marks[at : at + size] = [token not in common for token in sample.ids[at : at + size]]
    return replace(sample, recurs=marks if any(marks) else [True] * len(sample))
