"""Question sets to a report in one go: facts, notes by the echo engine, training, evaluation, report."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from augment.config import AugmentFile
from augment.engines.echo import Echo
from augment.plan import iterate_units, make_plan
from augment.settings import load_settings
from augment.shards import read_rows, stage_rows
from augment.store import NoteStore
from augment.study import Study
from pipelines.run import list_stages
from tests.train.facts.questions import say, write_pipeline
from train.cli import app


@pytest.fixture(autouse=True)
def knowing_some(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny model knows nothing; here it answers as `say` does, and every general question counts as known."""
    monkeypatch.setattr("train.facts.ask.complete", say)
    for module in ("base", "measure"):
        monkeypatch.setattr(f"train.evaluate.{module}.known_ids", lambda answers: {"nq-0001", "nq-0002"})


def write_notes(pipeline: Path) -> None:
    """What `augment run` writes, in this process."""
    plan = make_plan(load_settings(pipeline, [], AugmentFile), pipeline.parent)
    study = Study(plan.settings, plan.templates, plan.model, Echo(plan.settings.augment.engine, 0))
    units = [unit for chunk in iterate_units(plan) for unit in chunk]
    store = NoteStore(plan.out / "notes")
    store.commit(stage_rows(store.folder, asyncio.run(study.do_all(units))))


def test_question_sets_become_a_report(tmp_path: Path, tiny_model: Path) -> None:
    pipeline = write_pipeline(tmp_path, tiny_model)
    assert list(list_stages(str(pipeline), [])) == ["facts", "augment", "train", "evaluate", "report"]
    for command in ("facts", "notes", "run", "evaluate", "report"):
        if command == "notes":
            write_notes(pipeline)
            continue
        done = CliRunner().invoke(app, [command, str(pipeline)])
        assert done.exit_code == 0, done.output + str(done.exception)
    notes = list(read_rows(tmp_path / "out" / "notes", "train", ["document_id", "text"]))
    assert len({note["document_id"] for note in notes}) == 6
    base, lora = (
        json.loads((tmp_path / "out" / "train" / n / "evaluation.json").read_text()) for n in ("base", "lora")
    )
    assert base["learning"]["held_out"]["n"] == lora["learning"]["held_out"]["n"] == 6
    assert "cue" not in lora["learning"] and lora["retention"]["num_known"] == 2
    report = (tmp_path / "out" / "report" / "report.md").read_text()
    assert "Held-out recall (n = 6)" in report and "Trained form" not in report
    assert json.loads((tmp_path / "out" / "report" / "report.json").read_text())
