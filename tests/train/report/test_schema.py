"""report.json is what its schema says, with and without everything that a report may have."""

import json
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.train.report.runs import BASE, HOSTILE, LORA, MEMORY, NOTES, RUNS, make_answer
from tests.train.report.test_streams import STREAM
from train.report import FactPlaces, Material, write_report
from train.report.results import Answer, CurvePoint, Fluency, General, Judged, Recall, RunResult, TaskScore, Text

SCHEMA = json.loads(resources.files("train.report").joinpath("report.schema.json").read_text(encoding="utf-8"))


def enrich(run: RunResult) -> RunResult:
    """All that a run may have."""
    near = tuple(Answer(f"n{i}", "zsre", "locality", f"P{i}?", ("x",), "x", i > 0, 1.0) for i in range(3))
    free = tuple(replace(make_answer(f"h{i}", i > 1), kind="free") for i in range(4))
    choices = tuple(replace(make_answer(f"h{i}", i > 1), kind="choice", nll=3.0 + i) for i in range(4))
    texts = (Text(50.0, 25, 0.5), Text(60.0, 25, 0.7))
    return replace(
        run,
        answers=(*run.answers, *near, *free, *choices),
        learning=run.learning | {"free": Recall(0.5, 0.5, 4), "choice": Recall(0.5, 0.5, 4)},
        general=General(2.2, 9.0, 50, 0.024, texts),
        fluency={"document": Fluency(0.2, 12.0, 2, ((0.1, 10.0), (0.3, 14.0)))},
        curve=() if run.is_base else (CurvePoint(5, 0.25, 1.0, 2.0),),
        task_scores=(TaskScore("arc", "acc", 0.5, 0.1, 10), TaskScore("ppl", "bits", -0.5, None, 10)),
        stream=None if run.is_base else STREAM,
        judged=Judged("gpt", {"correct": 3, "incorrect": 1, "not_attempted": 0, "unparsed": 0}, 0.75, None, 4),
    )


def validate(record: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(record, SCHEMA)


@pytest.mark.parametrize("runs", [RUNS, [BASE], [enrich(run) for run in RUNS]], ids=["plain", "base", "all"])
def test_the_record_is_valid(runs: list[RunResult], tmp_path: Path) -> None:
    fact = FactPlaces("f", "a.md", "Who?", "A", None, 0, 2)
    paths = write_report(runs, tmp_path, HOSTILE, NOTES, Material((fact,), frozenset({"Question h1?"})))
    validate(json.loads(paths.record.read_text(encoding="utf-8")))


def test_without_notes_too(tmp_path: Path) -> None:
    record = json.loads(write_report([BASE, MEMORY, LORA], tmp_path, "Side by side", None).record.read_text())
    assert record["notes"] is None
    validate(record)


@pytest.mark.parametrize("key", ["headline", "runs", "leakage"])
def test_a_key_that_is_missing_or_unknown_is_refused(key: str, tmp_path: Path) -> None:
    record = json.loads(write_report(RUNS, tmp_path, "Test", NOTES).record.read_text())
    for broken in ({k: v for k, v in record.items() if k != key}, record | {"other": 1}):
        with pytest.raises(jsonschema.ValidationError):
            validate(broken)


def test_every_figure_of_a_method_has_its_n_and_interval(tmp_path: Path) -> None:
    """In the tables of methods each column says its n, and each cell of a measured share or mean has brackets."""
    markdown = write_report([enrich(run) for run in RUNS], tmp_path, "Test", NOTES).markdown.read_text()
    for caption in ("Learning and forgetting", "Recall by phrasing", "Forgetting:", "Free continuations"):
        table = markdown.split(f"*{caption}", 1)[1].split("\n\n")[1].splitlines()
        assert table[0].count("(") == table[0].count("|") - 2, table[0]
        assert all("n = " in column for column in table[0].split("|")[2:-1]), table[0]
        for row in table[3:]:
            assert row.count("[") == row.count("|") - 2, row
