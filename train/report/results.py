"""Turns each run's `evaluation.json` into one typed, frozen record: all that the report knows about a run."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from augment.errors import DatasetError
from train.report.fields import REMEDY, Fields

Phrasing = Literal["cue", "held_out", "reversed", "two_hop", "choice", "free"]
Kind = Literal["cue", "held_out", "reversed", "two_hop", "choice", "free", "known", "locality"]
PHRASINGS: tuple[Phrasing, ...] = get_args(Phrasing)
KINDS: tuple[Kind, ...] = get_args(Kind)
BASE_METHOD, CURVE, STREAM, JUDGED = "none", "curve.jsonl", "stream.json", "judge.json"


@dataclass(frozen=True, slots=True)
class Recall:
    """Exact match and token F1, as shares between 0 and 1, over n questions of one phrasing."""

    em: float
    f1: float
    n: int


@dataclass(frozen=True, slots=True)
class Retention:
    """`kept` is the share of the `num_known` questions that the base model answers; `f1` is over all n."""

    kept: float
    num_known: int
    f1: float
    n: int


@dataclass(frozen=True, slots=True)
class Text:
    """One general text: sums of its NLL and KL in nats over its `num_tokens` predicted tokens; `kl` if measured."""

    nll: float
    num_tokens: int
    kl: float | None = None


@dataclass(frozen=True, slots=True)
class General:
    """Next-token loss and KL(base || run) in nats a token on general text that no method trained on.

    `kl` is None where nobody measured it; `texts` are empty in evaluations of before they were recorded.
    """

    nll: float
    perplexity: float
    num_tokens: int
    kl: float | None = None
    texts: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True)
class Fluency:
    """Free continuations: mean share of repeated 4-word sequences, mean length in words, over n texts.

    `texts` are the same two figures of each; none in evaluations of before they were read.
    """

    repeated: float
    num_words: float
    n: int
    texts: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Parts:
    """What a point's figures are made of, in the order of asking: answers to held-out and to general questions (1
    right, 0 wrong), and the sum of NLL of each general text.
    """

    held_out: tuple[int, ...]
    known: tuple[int, ...]
    texts: tuple[float, ...]

    @property
    def sizes(self) -> list[int]:
        """How many of each."""
        return [len(self.held_out), len(self.known), len(self.texts)]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What was measured at one step of a training: recall of held-out questions, known share kept, general NLL.

    `parts` is None in curves of before they were written.
    """

    step: int
    recall: float
    kept: float
    nll: float
    parts: Parts | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Stream:
    """Groups of documents trained one after another. `before` and each of `after` hold, by group, the answers to its
    held-out questions (1 right, 0 wrong); a group may have none. None: nothing was asked after that group.
    """

    groups: tuple[tuple[str, ...], ...]
    before: tuple[tuple[int, ...], ...]
    after: tuple[tuple[tuple[int, ...], ...] | None, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """Verdicts of a judge on n answers, by name, and how far they agree with exact match."""

    model: str
    verdicts: dict[str, int]
    agreement: float
    kappa: float | None
    n: int


@dataclass(frozen=True, slots=True)
class TaskScore:
    """One metric of one task of lm-evaluation-harness, with its standard error if it has one."""

    task: str
    metric: str
    value: float
    stderr: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What one run answered to one question. The text is model output: never trust it, always escape it.

    `nll` is the right answer's in nats, of multiple choice alone; None in evaluations of before it was recorded.
    """

    id: str
    document: str
    kind: Kind
    prompt: str
    expected: tuple[str, ...]
    answer: str
    em: bool
    f1: float
    nll: float | None = None

    @property
    def question(self) -> tuple[Kind, str, str]:
        """Identifies the question across runs: one fact may be asked in several phrasings under one id."""
        return self.kind, self.id, self.prompt


@dataclass(frozen=True, slots=True)
class RunResult:
    """One evaluated run; the base model is the run whose method is `none`."""

    run: str
    method: str
    seed: int
    model: str
    model_revision: str
    settings: dict[str, Any]
    tokens_trained: int
    train_sec: float
    trainable_parameters: int
    learning: dict[Phrasing, Recall]
    retention: Retention
    general: General
    answers: tuple[Answer, ...]
    fluency: dict[str, Fluency] = field(default_factory=dict)
    curve: tuple[CurvePoint, ...] = ()
    task_scores: tuple[TaskScore, ...] = ()
    stream: Stream | None = None
    judged: Judged | None = None

    def recall(self, phrasing: Phrasing) -> Recall:
        """Recall in a phrasing; of nothing where it was not asked."""
        return self.learning.get(phrasing, Recall(0.0, 0.0, 0))

    @property
    def is_base(self) -> bool:
        return self.method == BASE_METHOD


@dataclass(frozen=True, slots=True)
class NoteCounts:
    """The dataset trained on: notes by verdict and strategy, who wrote them, and the tokens of those kept."""

    kept: int
    rejected_by_reason: dict[str, int]
    kept_by_strategy: dict[str, int]
    generator: str
    tokens: int


@dataclass(frozen=True, slots=True)
class FactPlaces:
    """Where the answer of one fact stands: in how many studied chunks, kept and rejected notes of its document.

    `num_chunks` is None where the document could not be read.
    """

    id: str
    document: str
    question: str
    answer: str
    num_chunks: int | None
    num_kept: int
    num_rejected: int


@dataclass(frozen=True, slots=True)
class Material:
    """What the dataset holds of what is asked: the facts, and the questions that stand in a kept note (`leaked`)."""

    facts: tuple[FactPlaces, ...] = ()
    leaked: frozenset[str] = frozenset()


def read_runs(folder: Path) -> list[RunResult]:
    """Every run below `folder`, by path; hidden folders, where unfinished runs stand, are passed over."""
    paths = [path for path in sorted(folder.rglob("evaluation.json")) if not _is_hidden(path, folder)]
    if not paths:
        raise DatasetError(f"{folder} holds no evaluation.json", "evaluate at least the base model first")
    return [read_run(path) for path in paths]


def read_run(path: Path) -> RunResult:
    """Read one `evaluation.json`; DatasetError names file and key. Keys beyond the schema are left unread."""
    fields = Fields(_load_object(path), path)
    learning, retention, general = (fields.child(key) for key in ("learning", "retention", "general"))
    return RunResult(
        run=fields.text("run"),
        method=fields.text("method"),
        seed=fields.count("seed"),
        model=fields.text("model"),
        model_revision=fields.text("model_revision"),
        settings=fields.child("settings").values,
        tokens_trained=fields.count("tokens_trained"),
        train_sec=fields.number("train_sec"),
        trainable_parameters=fields.count("trainable_parameters"),
        learning={phrasing: _read_recall(learning, phrasing) for phrasing in PHRASINGS},
        retention=_read_retention(retention),
        general=_read_general(general),
        answers=_read_answers(fields),
        fluency=_read_fluency(fields),
        curve=read_curve(path.with_name(CURVE), fields.values.get("exam")),
        task_scores=_read_task_scores(fields),
        stream=read_stream(path.with_name(STREAM)),
        judged=read_judged(path.with_name(JUDGED)),
    )


def read_curve(path: Path, exam: object) -> tuple[CurvePoint, ...]:
    """The points that a watched training wrote, in order; those of another exam are not comparable and left out."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    points = [Fields(_load_line(line, path, i), path, f"line {i}: ") for i, line in enumerate(lines, 1)]
    return tuple(_read_point(point) for point in points if point.values.get("exam", exam) == exam)


def read_stream(path: Path) -> Stream | None:
    """What a run knew after each group of documents; None for one that was trained on all at once, or is not done."""
    if not path.is_file():
        return None
    fields = Fields(_load_object(path), path)
    groups = tuple(tuple(map(str, group)) for group in fields.values.get("groups", []))
    rows = [fields.child("before"), *fields.children("after")]
    if len(rows) != len(groups) + 1 or not all("right" in row.values for row in rows) or not rows[-1].values["right"]:
        return None
    before, *after = (_read_right(row.values["right"]) for row in rows)
    return Stream(groups, before or (), tuple(after))


def _read_right(row: list[list[int]] | None) -> tuple[tuple[int, ...], ...] | None:
    return None if row is None else tuple(tuple(map(int, answers)) for answers in row)


def read_judged(path: Path) -> Judged | None:
    """What a judge found; None where there was none."""
    if not path.is_file():
        return None
    fields = Fields(_load_object(path), path)
    verdicts = fields.child("verdicts")
    return Judged(
        model=fields.text("model"),
        verdicts={name: verdicts.count(name) for name in verdicts.values},
        agreement=fields.share("agreement"),
        kappa=fields.signed_number("kappa") if fields.values.get("kappa") is not None else None,
        n=fields.count("n"),
    )


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _load_object(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}", REMEDY) from error
    except ValueError as error:
        raise DatasetError(f"{path} is not JSON: {error}", REMEDY) from error
    if not isinstance(values, dict):
        raise DatasetError(f"{path} must hold one JSON object", REMEDY)
    return values


def _load_line(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except ValueError as error:
        raise DatasetError(f"{path}:{number} is not JSON: {error}", "delete that line") from error
    if not isinstance(values, dict):
        raise DatasetError(f"{path}:{number} must hold one JSON object", "delete that line")
    return values


def _read_point(fields: Fields) -> CurvePoint:
    recall = fields.child("recall").share("held_out")
    parts = _read_parts(fields.child("parts")) if "parts" in fields.values else None
    return CurvePoint(fields.count("step"), recall, fields.share("kept"), fields.positive("nll"), parts)


def _read_parts(fields: Fields) -> Parts:
    return Parts(
        held_out=tuple(map(int, fields.text("held_out"))),
        known=tuple(map(int, fields.text("known"))),
        texts=tuple(map(float, fields.values.get("texts", []))),
    )


def _read_general(fields: Fields) -> General:
    return General(
        nll=fields.positive("nll"),
        perplexity=fields.positive("perplexity"),
        num_tokens=fields.count("num_tokens"),
        kl=fields.optional_number("kl"),
        texts=tuple(_read_text(text) for text in fields.optional_children("texts")),
    )


def _read_text(fields: Fields) -> Text:
    return Text(fields.number("nll"), fields.count("num_tokens"), fields.optional_number("kl"))


def _read_fluency(fields: Fields) -> dict[str, Fluency]:
    open_texts = fields.optional_child("open")
    kinds = {kind: open_texts.child(kind) for kind in ("document", "general") if kind in open_texts.values}
    texts: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    for text in open_texts.optional_children("texts"):
        texts[text.text("kind")].append((text.share("repeated"), text.number("num_words")))
    return {
        k: Fluency(f.share("repeated"), f.number("num_words"), f.count("n"), tuple(texts[k])) for k, f in kinds.items()
    }


def _read_task_scores(fields: Fields) -> tuple[TaskScore, ...]:
    scores = fields.optional_children("lm_eval")
    return tuple(
        TaskScore(s.text("task"), s.text("metric"), s.signed_number("value"), s.optional_number("stderr"), s.count("n"))
        for s in scores
    )


def _read_recall(learning: Fields, phrasing: Phrasing) -> Recall:
    """Facts need not have all phrasings but one: recall over none then."""
    if phrasing != "held_out" and phrasing not in learning.values:
        return Recall(0.0, 0.0, 0)
    fields = learning.child(phrasing)
    return Recall(fields.share("em"), fields.share("f1"), fields.count("n"))


def _read_retention(fields: Fields) -> Retention:
    return Retention(fields.share("kept"), fields.count("num_known"), fields.share("f1"), fields.count("n"))


def _read_answers(fields: Fields) -> tuple[Answer, ...]:
    """Questions must differ within a run, else before and after could not be paired."""
    answers = tuple(_read_answer(child) for child in fields.children("answers"))
    seen: set[tuple[Kind, str, str]] = set()
    for answer in answers:
        if answer.question in seen:
            where = f"{fields.path}: the {answer.kind} question {answer.id!r}"
            raise DatasetError(f"{where} is answered twice", REMEDY)
        seen.add(answer.question)
    return answers


def _read_answer(fields: Fields) -> Answer:
    return Answer(
        id=fields.text("id"),
        document=fields.text("document"),
        kind=_read_kind(fields),
        prompt=fields.text("prompt"),
        expected=fields.texts("expected"),
        answer=fields.text("answer"),
        em=fields.flag("em"),
        f1=fields.share("f1"),
        nll=fields.optional_number("nll"),
    )


def _read_kind(fields: Fields) -> Kind:
    name = fields.text("kind")
    for kind in KINDS:
        if kind == name:
            return kind
    where = f"{fields.path}: the key '{fields.place}kind'"
    raise DatasetError(f"{where} must be one of {', '.join(KINDS)}, not {name[:60]!r}", REMEDY)
