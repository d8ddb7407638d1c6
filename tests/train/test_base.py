"""The base model is asked once for the same questions, wherever they are asked from, and again when they change."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.worlds import write_world
from train.cli import app
from train.evaluate.cache import cache_path, read_cached, write_cached

CHANGES = ["train.methods={in_context: {}}", "evaluate.num_choices=2", "evaluate.free_tokens=5"]
CHANGES += ["evaluate.locality=[near.jsonl]"]


def evaluate(file: Path, *changes: str) -> tuple[str, dict[str, Any]]:
    settings = [part for change in (*CHANGES, *changes) for part in ("--set", change)]
    done = CliRunner().invoke(app, ["evaluate", str(file), *settings])
    assert done.exit_code == 0, done.output
    out = next((change.partition("=")[2] for change in changes if change.startswith("out=")), str(file.parent / "out"))
    record: dict[str, Any] = json.loads((Path(out) / "train" / "base" / "evaluation.json").read_text())
    return done.output, record


@pytest.fixture
def world(tmp_path: Path, tiny_model: Path) -> Path:
    near = [{"loc": "nq question: who wrote hamlet", "loc_ans": "Shakespeare"}, {"locality_prompt": "BBC Radio, by"}]
    (tmp_path / "near.jsonl").write_text("\n".join(map(json.dumps, near)))
    return write_world(tmp_path, tiny_model)


def test_the_bases_answers_are_kept_by_content(world: Path, knowing: None, own_cache: Path) -> None:
    said, first = evaluate(world)
    assert "base: evaluating" in said and "in_context: evaluating" in said
    assert len(list(own_cache.iterdir())) == 1
    assert {"cue", "held_out", "choice", "free"} <= set(first["learning"])
    assert first["locality"] == {"near": {"unchanged": 1.0, "f1": 1.0, "n": 2}}
    shutil.copytree(world.parent / "out" / "notes", world.parent / "other" / "notes")
    shutil.copy(world.parent / "facts.jsonl", world.parent / "same.jsonl")
    said, again = evaluate(world, f"out={world.parent / 'other'}", "evaluate.facts=same.jsonl")
    assert "base: these questions were asked before" in said
    assert again["answers"] == first["answers"] and again["general"] == first["general"]
    run = json.loads((world.parent / "other" / "train" / "in_context" / "evaluation.json").read_text())
    assert sum(answer["kind"] == "locality" for answer in run["answers"]) == 2


def test_changed_questions_under_the_same_name_are_asked_again(world: Path, knowing: None) -> None:
    evaluate(world)
    said, _ = evaluate(world)
    assert "evaluating" not in said and "asked before" not in said
    facts = world.parent / "facts.jsonl"
    facts.write_text(facts.read_text().replace("Who built the tower", "Which man built the tower"))
    said, record = evaluate(world)
    assert "base: evaluating" in said and "in_context: evaluating" in said
    assert any(answer["prompt"].startswith("Which man built") for answer in record["answers"])
    near = world.parent / "near.jsonl"
    near.write_text(near.read_text().replace("BBC Radio", "BBC Two"))
    assert "base: evaluating" in evaluate(world)[0]


def test_the_report_of_it_has_the_new_phrasings(world: Path, knowing: None) -> None:
    evaluate(world)
    changes = [part for change in CHANGES for part in ("--set", change)]
    done = CliRunner().invoke(app, ["report", str(world), *changes])
    assert done.exit_code == 0, done.output
    markdown = (world.parent / "out" / "report" / "report.md").read_text()
    assert "Multiple choice (n = 2)" in markdown and "Free answer (n = 2)" in markdown
    assert "near unchanged (n = 2)" in markdown


def test_a_broken_or_unwritable_cache_costs_time_and_nothing_else(own_cache: Path) -> None:
    path = cache_path("a", "b")
    assert path.parent == own_cache and path != cache_path("ab", "") and read_cached(path) is None
    write_cached(path, {"x": 1})
    assert read_cached(path) == {"x": 1}
    path.write_text("{")
    assert read_cached(path) is None
    shutil.rmtree(own_cache)
    own_cache.write_text("a file where the folder should be")
    write_cached(path, {"x": 1})
    assert read_cached(path) is None
