"""Says of one question of an evaluation why a run answers it or not: from the answer back to notes and chunks."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from augment.errors import DatasetError
from augment.escape import clean_line
from augment.settings import load_settings
from train.config import TrainFile
from train.evaluate.base import RECORD
from train.evaluate.coverage import AnswerPlaces, NotePlace, find_answers, try_passages
from train.evaluate.probes import Probe
from train.grid import BASE
from train.report import read_run
from train.report.results import Answer, RunResult
from train.stage import Stage

INPUTS, SETTINGS = "inputs.json", "train.yaml"
MAX_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Training:
    """How often a run saw what: `epochs` passes, `mix` notes of each strategy a pass (None: each once)."""

    epochs: int
    mix: dict[str, float] | None

    def times(self, note: NotePlace) -> float:
        """How often a note was trained; the mean where a mix draws a part of the notes."""
        return self.epochs * (1.0 if self.mix is None else self.mix.get(note.strategy, 0.0))


@dataclass(frozen=True, slots=True)
class Explanation:
    """One question in all its phrasings, as the run and the base model answer them, and where its answer stands.

    `places` is None for a general question: no document is to teach it. `notes_changed`: they are not those trained on.
    """

    question: str
    answers: tuple[Answer, ...]
    before: tuple[Answer, ...]
    places: AnswerPlaces | None
    training: Training
    notes_changed: bool


def explain(folder: Path, question: str) -> Explanation:
    """Look a question up in a run's evaluation and its dataset. Raises DatasetError where something is missing."""
    run, base = read_run(folder / RECORD), read_run(folder.parent / BASE / RECORD)
    answers = find_question(run, question, folder)
    asked = {answer.question for answer in answers}
    about = [answer for answer in answers if answer.kind in ("cue", "held_out")]
    stage = open_stage(folder)
    places = None
    if about:
        fact = Probe(question, about[0].document, "cue", about[0].prompt, list(about[0].expected))
        places = find_answers([fact], stage.notes, try_passages(stage))[question]
    training, notes_changed = read_training(folder, stage)
    before = tuple(answer for answer in base.answers if answer.question in asked)
    return Explanation(question, tuple(answers), before, places, training, notes_changed)


def find_question(run: RunResult, question: str, folder: Path) -> list[Answer]:
    """The phrasings of a question. Raises DatasetError naming some ids when there is no such question."""
    if found := [answer for answer in run.answers if answer.id == question]:
        return found
    known = ", ".join(sorted({answer.id for answer in run.answers})[:MAX_SHOWN])
    raise DatasetError(f"{folder / RECORD} asks no question {question!r}", f"its ids begin with {clean_line(known)}")


def open_stage(folder: Path) -> Stage:
    """The pipeline that a run belongs to, from the settings beside the runs."""
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    settings = folder.parent / SETTINGS
    if "pipeline_folder" not in record or not settings.is_file():
        raise DatasetError(f"{folder} does not say what it was made from", "evaluate it again: `train evaluate FILE`")
    out = f"out={json.dumps(str(folder.parent.parent))}"
    return Stage(load_settings(settings, [out], TrainFile), folder / record["pipeline_folder"])


def read_training(folder: Path, stage: Stage) -> tuple[Training, bool]:
    """How often a run saw each note, and whether the dataset has changed since; an untrained method saw none."""
    if not (folder / INPUTS).is_file():
        return Training(0, None), False
    inputs = json.loads((folder / INPUTS).read_text(encoding="utf-8"))
    state = json.loads((stage.notes / "train" / "state.json").read_text(encoding="utf-8"))
    changed = inputs["notes"] != state["_fingerprint"]
    return Training(count_epochs(folder, inputs["train"]["epochs"]), inputs.get("mix")), changed


def count_epochs(folder: Path, planned: int) -> int:
    """Epochs that a run's log has, fewer than planned where a target of recall ended it."""
    logs = sorted(folder.glob("metrics*.jsonl"))
    lines = logs[0].read_text(encoding="utf-8").splitlines() if logs else []
    return int(json.loads(lines[-1])["epoch"]) + 1 if lines else planned


def diagnose(found: Explanation) -> str:
    """One line: where the answer got lost on its way from document to weights."""
    if found.places is None:
        return diagnose_general(found)
    wrong = [answer for answer in found.answers if not answer.em]
    if not wrong:
        return "recalled in every phrasing that was asked"
    if not (kept := found.places.kept):
        return diagnose_untold(found.places)
    times = sum(found.training.times(note) for note in kept)
    if not times:
        return f"in {count(len(kept), 'kept note')}, but this run trained on none of them: {why_untrained(found)}"
    forms = Counter(answer.kind.replace("_", "-") for answer in wrong)
    missed = "any phrasing" if len(wrong) == len(found.answers) else "this phrasing: "
    missed += ", ".join(f"{n} {kind}" for kind, n in forms.items()) if len(wrong) < len(found.answers) else ""
    return f"trained {times:g} times in {count(len(kept), 'note')}, but not recalled in {missed}"


def diagnose_general(found: Explanation) -> str:
    """A general question: kept, lost, gained, or never known; a prompt whose output is to stay: whether it did."""
    if all(answer.kind == "locality" for answer in found.answers):
        return "its output is the base model's" if found.answers[0].em else "its output was to stay and has changed"
    was, now = any(answer.em for answer in found.before), any(answer.em for answer in found.answers)
    outcomes = {
        (True, True): "known before and kept",
        (True, False): "known before and lost in training: it was forgotten",
        (False, True): "not known before, answered now",
        (False, False): "the base model did not know it either",
    }
    return outcomes[was, now]


def diagnose_untold(places: AnswerPlaces) -> str:
    """No kept note has the answer."""
    reasons = Counter(note.reason for note in places.rejected)
    rejected = ", ".join(f"{number} {reason}" for reason, number in reasons.most_common())
    lost = f"; rejected notes have it: {rejected}" if rejected else "; no rejected note has it either"
    if places.chunks is None:
        return f"in no kept note{lost}"
    if not places.chunks:
        return f"the answer stands in no chunk that was studied, as it is expected, and in no kept note{lost}"
    return f"in {count(len(places.chunks), 'chunk')}, but in no kept note{lost}"


def why_untrained(found: Explanation) -> str:
    """A method that does not train, or a mix that leaves the notes' strategies out."""
    return "its mix leaves their strategies out" if found.training.epochs else "the method trains nothing"


def count(number: int, noun: str) -> str:
    """`1 note`, `2 notes`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def describe(found: Explanation) -> Iterator[str]:
    """The explanation in lines of clean text."""
    yield f"{clean_line(found.question)}: {diagnose(found)}"
    before = {answer.question: answer for answer in found.before}
    for answer in found.answers:
        yield ""
        yield f"{answer.kind.replace('_', '-')}: {clean_line(answer.prompt)}"
        yield f"  expected: {clean_line(' / '.join(answer.expected))}"
        yield from (describe_answer(name, a) for name, a in (("base", before[answer.question]), ("run", answer)))
    if found.places is not None:
        yield ""
        yield from describe_places(found, found.places)


def describe_answer(name: str, answer: Answer) -> str:
    """What one model answered, and whether it is right."""
    return f"  {name}: {'right' if answer.em else 'wrong'}: {clean_line(answer.answer) or '(nothing)'}"


def describe_places(found: Explanation, places: AnswerPlaces) -> Iterator[str]:
    """Chunks and notes that have the answer."""
    if places.chunks is None:
        yield f"chunks: not searched ({clean_line(places.unread)})"
    else:
        yield f"chunks with the answer: {len(places.chunks)}"
        yield from shorten([f"  {describe_span(*span)}" for span in places.chunks])
    if found.notes_changed:
        yield "the dataset has changed since the run was trained; these are the notes of today"
    yield f"kept notes with the answer: {len(places.kept)}"
    yield from shorten([describe_note(note, f"trained {found.training.times(note):g} times") for note in places.kept])
    yield f"rejected notes with the answer: {len(places.rejected)}"
    yield from shorten([describe_note(note, note.reason) for note in places.rejected])


def describe_span(document: str, start: int, end: int) -> str:
    """A chunk by its characters."""
    return f"{clean_line(document)} {start}-{end}"


def describe_note(note: NotePlace, what: str) -> str:
    """One note in a line."""
    origin = f"{clean_line(note.strategy)}, {clean_line(what)}, about {note.span[1]}-{note.span[2]}"
    return f"  {note.note_id[:8]} {origin}: {note.text}"


def shorten(lines: Sequence[str]) -> Iterator[str]:
    """The first lines, and how many more there are."""
    yield from lines[:MAX_SHOWN]
    if len(lines) > MAX_SHOWN:
        yield f"  ... and {len(lines) - MAX_SHOWN} more"
