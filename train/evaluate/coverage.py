"""Finds where the answers of facts stand: in which chunks of the documents, and in which kept and rejected notes."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augment.errors import IngrainError
from augment.escape import clip_end
from augment.filters.leakage import MIN_WORDS, Questions
from augment.shards import SPLITS, read_rows
from train.evaluate.probes import Probe
from train.evaluate.score import holds, pad_words, states
from train.passages import Passages, Span
from train.report import FactPlaces, Material
from train.stage import Stage

MIN_LEAKED_SHARE = 0.8  # of a question's 3-word sequences, as in the leakage filter
MAX_NOTE_CHARS = 240
COLUMNS = ("note_id", "document_id", "start", "end", "strategy", "text", "reason")


@dataclass(frozen=True, slots=True)
class NotePlace:
    """A note that holds an answer, its text shortened; `reason` is why it was rejected, "" for one that was kept."""

    note_id: str
    strategy: str
    span: Span
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class AnswerPlaces:
    """Where an answer stands. `chunks` is None where the documents could not be read, and `unread` says why."""

    chunks: list[Span] | None
    notes: list[NotePlace]
    unread: str = ""

    @property
    def kept(self) -> list[NotePlace]:
        """The notes that were trained on."""
        return [note for note in self.notes if not note.reason]

    @property
    def rejected(self) -> list[NotePlace]:
        """The others."""
        return [note for note in self.notes if note.reason]


def read_notes(folder: Path) -> Iterator[dict[str, Any]]:
    """All notes of a dataset, kept ones first."""
    for split in SPLITS:
        yield from read_rows(folder, split, COLUMNS)


def find_answers(facts: Sequence[Probe], folder: Path, passages: Passages | str) -> dict[str, AnswerPlaces]:
    """Where the expected answer of each fact stands within its document, or in any where it names none, by its id.

    `passages` may be the reason why there are none. Every note is read once.
    """
    about: dict[str, list[tuple[str, list[str]]]] = defaultdict(list)
    for fact in facts:
        about[fact.document].append((fact.id, [pad_words(answer) for answer in fact.expected]))
    found: dict[str, list[NotePlace]] = {fact.id: [] for fact in facts}
    spans: dict[str, set[Span]] = defaultdict(set)
    for row in read_notes(folder):
        if not (asked := [*about.get(row["document_id"], ()), *about.get("", ())]):
            continue
        note, words = describe_note(row), pad_words(row["text"])
        for document in (row["document_id"], ""):
            spans[document].add(note.span)
        for name, answers in asked:
            if holds(words, answers):
                found[name].append(note)
    return {fact.id: place_answer(fact, sorted(spans[fact.document]), found[fact.id], passages) for fact in facts}


def describe_note(row: dict[str, Any]) -> NotePlace:
    """A row of the dataset, shortened."""
    span = (row["document_id"], row["start"], row["end"])
    return NotePlace(row["note_id"], row["strategy"], span, clip_end(row["text"], MAX_NOTE_CHARS), row["reason"])


def place_answer(fact: Probe, spans: Sequence[Span], notes: list[NotePlace], passages: Passages | str) -> AnswerPlaces:
    """The notes that hold the answer, and the chunks of its document that do."""
    if isinstance(passages, str):
        return AnswerPlaces(None, notes, passages)
    try:
        return AnswerPlaces([span for span in spans if states(passages.text(span), fact.expected)], notes)
    except IngrainError as error:
        return AnswerPlaces(None, notes, error.what)


def try_passages(stage: Stage) -> Passages | str:
    """The documents, or why they cannot be read (any more): notes can be searched all the same."""
    try:
        return stage.passages
    except IngrainError as error:
        return error.what


def find_leaks(questions: Sequence[str], folder: Path) -> frozenset[str]:
    """The questions that a kept note holds, by at least 80 % of their 3-word sequences."""
    index = Questions([question for question in questions if len(question.split()) >= MIN_WORDS])
    found = set[str]()
    for row in read_rows(folder, "train", ["text", "leaked_question"]):
        found |= {*index.find_all(row["text"], MIN_LEAKED_SHARE), row["leaked_question"]}
    return frozenset(found & set(questions))


def gather_material(stage: Stage, probes: Sequence[Probe]) -> Material:
    """What the report says of the dataset: where each fact stands, and which questions do."""
    facts = list({probe.id: probe for probe in reversed(probes) if probe.kind in ("cue", "held_out")}.values())[::-1]
    places = find_answers(facts, stage.notes, try_passages(stage))
    questions = dict.fromkeys(probe.prompt for probe in probes if probe.kind not in ("cue", "locality"))
    return Material(tuple(count_places(fact, places[fact.id]) for fact in facts), find_leaks([*questions], stage.notes))


def count_places(fact: Probe, places: AnswerPlaces) -> FactPlaces:
    """The figures of one fact."""
    return FactPlaces(
        id=fact.id,
        document=fact.document,
        question=fact.prompt,
        answer=fact.expected[0],
        num_chunks=None if places.chunks is None else len(places.chunks),
        num_kept=len(places.kept),
        num_rejected=len(places.rejected),
    )
