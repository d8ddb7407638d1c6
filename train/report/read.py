"""Reads a run's files into its record: `evaluation.json`, and the curve, stream and verdicts beside it."""

import json
from pathlib import Path
from typing import Any

from augment.errors import DatasetError
from train.report.fields import REMEDY, Fields
from train.report.results import (
    KINDS,
    PHRASINGS,
    Answer,
    CurvePoint,
    Fluency,
    General,
    Judged,
    Kind,
    Parts,
    Phrasing,
    Recall,
    Retention,
    RunResult,
    Stream,
    TaskScore,
    Text,
)

CURVE, STREAM, JUDGED = "curve.jsonl", "stream.json", "judge.json"


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
