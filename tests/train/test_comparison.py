"""Runs of several pipelines side by side, under names that tell them apart."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.train.test_explain import write_evaluation
from train.cli import app
from train.comparison import name_folders


def test_runs_of_two_pipelines_are_compared_with_one_base(tmp_path: Path) -> None:
    for name, right in (("a", {"built"}), ("b", {"built", "bells"})):
        write_evaluation(tmp_path / name / "train" / "base", "none", {"k1"})
        write_evaluation(tmp_path / name / "train" / "memory", "memory", right)
    runs = [str(tmp_path / name / "train" / "memory") for name in ("a", "b")]
    to = tmp_path / "both"
    done = CliRunner().invoke(app, ["report", *runs, runs[0], "--to", str(to)])
    assert done.exit_code == 0, done.output
    record = json.loads((to / "report.json").read_text())
    assert [method["label"] for method in record["methods"]] == ["base", "a/memory", "b/memory"]
    assert record["notes"] is None and len(record["differences"]) == 3
    assert "a/memory" in done.output and "Written by" not in (to / "report.html").read_text()


def test_other_questions_cannot_be_compared(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_evaluation(tmp_path / name / "base", "none", {"k1"})
        write_evaluation(tmp_path / name / "lora", "lora", {"built"})
    path = tmp_path / "b" / "lora" / "evaluation.json"
    record = json.loads(path.read_text())
    record["answers"] = record["answers"][1:]
    path.write_text(json.dumps(record))
    done = CliRunner().invoke(app, ["report", *(str(tmp_path / n / "lora") for n in "ab"), "--to", str(tmp_path / "c")])
    assert done.exit_code == 2 and "has another list of questions" in done.output and not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["a/lora", "nothing"], "nothing is no evaluated run"),
        (["a/base"], "is a base model's evaluation"),
        (["alone/lora"], "no evaluation of the base model"),
    ],
)
def test_what_cannot_be_shown_is_one_line(tmp_path: Path, folders: list[str], message: str) -> None:
    write_evaluation(tmp_path / "a" / "base", "none", {"k1"})
    for name in ("a", "alone"):
        write_evaluation(tmp_path / name / "lora", "lora", {"built"})
    done = CliRunner().invoke(app, ["report", *(str(tmp_path / f) for f in folders), "--to", str(tmp_path / "c")])
    assert done.exit_code == 2 and message in done.output and done.output.count("\n") == 1


def test_names_are_as_long_as_they_must_be() -> None:
    paths = [Path("/x/a/train/memory"), Path("/x/a/train/lora"), Path("/x/b/train/lora")]
    assert name_folders(paths[:2]) == ["memory", "lora"]
    assert name_folders(paths) == ["a/memory", "a/lora", "b/lora"]
