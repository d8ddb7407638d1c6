"""The whole job on a tiny random model with the echo engine: notes, two methods, evaluation, report, one question."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from augment.settings import load_settings
from train.cli import app
from train.config import TrainFile
from train.evaluate.base import evaluation_inputs, stale
from train.stage import Stage
from train.training import claim, train_cell

BIN = Path(sys.executable).parent


def call(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(a) for a in arguments]
    return subprocess.run([str(BIN / command[0]), *command[1:]], capture_output=True, text=True, timeout=500)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def write_world(folder: Path, model: Path) -> Path:
    """A pipeline file, two documents, facts and general questions; the only known question is made up."""
    (folder / "documents").mkdir()
    for name in ("tower", "bridge"):
        text = f"# The {name}\n\nThe {name} of Vell was built by Orla Finch. The {name} of Vell has nine bells."
        (folder / "documents" / f"{name}.md").write_text(text)
    fact = {
        "id": "f1",
        "document": "tower.md",
        "cue": "The tower of Vell was built by",
        "answer": "Orla Finch",
    }
    fact |= {"questions": ["Who built the tower of Vell?"], "aliases": [], "reversed": None}
    (folder / "facts.jsonl").write_text(json.dumps(fact))
    known = [{"id": f"k{i}", "question": f"What is {i} and {i}?", "answer": "Paris"} for i in range(3)]
    (folder / "known.jsonl").write_text("\n".join(map(json.dumps, known)))
    passages = [{"text": f"Rain falls on hill number {i} and runs to the sea in small brown rivers."} for i in range(6)]
    (folder / "passages.jsonl").write_text("\n".join(map(json.dumps, passages)))
    settings = {
        "model": str(model),
        "out": str(folder / "out"),
        "augment": {
            "documents": {"path": "documents"},
            "engine": {"kind": "echo"},
            "strategies": {"verbatim": {}, "paraphrase": {"rounds": 2}},
        },
        "train": {
            "epochs": 2,
            "bf16": False,
            "data": {"passages": "passages.jsonl", "questions": "known.jsonl", "num_background": 4},
            "methods": {"memory": {"layers": [1], "num_keys": 16, "top_t": 50}, "lora": {"rank": 2}},
        },
        "evaluate": {"facts": "facts.jsonl", "known": "known.jsonl"},
    }
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(settings))
    return folder / "pipeline.yaml"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    file = write_world(tmp_path_factory.mktemp("world"), tiny_model)
    done = call("augment", "run", file)
    assert done.returncode == 0, done.stderr
    assert invoke("run", file).exit_code == 0
    return file


def test_both_methods_train_on_the_same_tokens_and_are_kept_on_rerun(finished: Path) -> None:
    runs = finished.parent / "out" / "train"
    records = [json.loads((runs / m / "checkpoint" / "run.json").read_text()) for m in ("memory", "lora")]
    assert records[0]["tokens_trained"] == records[1]["tokens_trained"] > 0
    again = invoke("run", finished)
    assert "memory: trained before, kept" in again.stdout and "lora: trained before, kept" in again.stdout


def test_a_model_that_knows_nothing_is_named_in_one_line(finished: Path) -> None:
    done = invoke("evaluate", finished)
    assert done.exit_code == 2
    assert (
        done.stderr.strip() == "error: the base model answers no general question; give easier ones in evaluate.known"
    )


def test_a_saved_run_answers(finished: Path) -> None:
    done = invoke("ask", finished.parent / "out" / "train" / "memory", "Who built the tower of Vell?")
    assert done.exit_code == 0, done.stderr


def test_what_a_document_wrote_is_listed_reverted_and_applied_again(finished: Path) -> None:
    run = finished.parent / "out" / "train" / "memory"
    listed = invoke("patch", "list", run)
    assert listed.exit_code == 0 and "tower.md" in listed.stdout and "bridge.md" in listed.stdout, listed.stderr
    shown = invoke("patch", "show", run, "tower.md")
    assert "document: tower.md" in shown.stdout and "layer 1: " in shown.stdout
    assert "slots_used: layer 1: 1.000" in shown.stdout and "reads_of_top_1_percent: layer 1: 0." in shown.stdout
    assert "layer 1: " in invoke("patch", "diff", run, "tower.md", "bridge.md").stdout
    order = run / "checkpoint" / "patches" / "patches.json"
    before = order.read_text()
    assert ": reverted" in invoke("patch", "revert", run, "tower.md").stdout
    assert [entry["applied"] for entry in json.loads(order.read_text())].count(False) == 1
    assert ": applied" in invoke("patch", "apply", run, "tower.md").stdout
    assert order.read_text() == before


def test_what_a_document_wrote_is_scaled_and_put_back(finished: Path) -> None:
    run = finished.parent / "out" / "train" / "memory"
    order = run / "checkpoint" / "patches" / "patches.json"
    before = order.read_text()
    assert ": 0.5 times what it learned" in invoke("patch", "scale", run, "tower.md", "0.5").stdout
    assert "0.5" in invoke("patch", "list", run).stdout
    invoke("patch", "scale", run, "tower.md", "1")
    assert order.read_text() == before


def test_an_evaluation_of_other_patches_is_stale(finished: Path) -> None:
    stage = Stage(load_settings(finished, [], TrainFile), finished.parent)
    run = finished.parent / "out" / "train" / "memory"
    path = run / "evaluation.json"
    assert stale(path, stage)
    path.write_text(json.dumps({"inputs": evaluation_inputs(stage, run)}))
    try:
        assert not stale(path, stage)
        invoke("patch", "revert", run, "tower.md")
        assert stale(path, stage)
        invoke("patch", "apply", run, "tower.md")
        assert not stale(path, stage)
        invoke("patch", "scale", run, "tower.md", "0.5")
        assert stale(path, stage)
        path.write_text(json.dumps({"inputs": evaluation_inputs(stage, run)}))
        assert not stale(path, stage)
    finally:
        invoke("patch", "scale", run, "tower.md", "1")
        path.unlink()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "memory", "nothing.md"), "no patch nothing.md; there are: "),
        (("list", "lora"), "holds no patches"),
        (("scale", "memory", "tower.md", "0"), "cannot be scaled by 0"),
        (("scale", "memory", "nothing.md", "0.5"), "no patch nothing.md; there are: "),
        (("merge", "memory", "tower.md", "--into", "both"), "two or more"),
        (("merge", "memory", "tower.md", "bridge.md", "--into", "../both"), "cannot be the new patch's name"),
    ],
)
def test_bad_patch_commands_are_one_line(finished: Path, arguments: tuple[str, ...], message: str) -> None:
    command, run, *others = arguments
    done = invoke("patch", command, finished.parent / "out" / "train" / run, *others)
    assert done.exit_code == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_truncated_weights_are_one_line(finished: Path) -> None:
    weights = finished.parent / "out" / "train" / "lora" / "checkpoint" / "adapter_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    try:
        done = invoke("ask", finished.parent / "out" / "train" / "lora", "Who?")
    finally:
        weights.write_bytes(whole)
    assert done.exit_code == 2 and "cannot be loaded" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train.epoch=2", "unknown key train.epoch"),
        ("train.epochs=many", "train.epochs = 'many' is wrong"),
        ("train.data.passages=nowhere.jsonl", "nowhere.jsonl"),
        ("train.methods={}", "names no method"),
        ("model=/nowhere", "no model folder /nowhere"),
    ],
)
def test_bad_settings_are_one_line_and_exit_code_2(finished: Path, change: str, message: str) -> None:
    done = invoke("run", finished, "--set", change)
    assert done.exit_code == 2 and message in done.stderr and done.stderr.count("\n") == 1
    marks = [finished.parent / "out" / "train" / name / "inputs.json" for name in ("memory", "lora")]
    assert all(mark.is_file() for mark in marks), "what was trained before stays as it is"


@pytest.mark.parametrize("how", [[], ["--sweep"]])
def test_without_notes_nothing_is_written(finished: Path, tmp_path: Path, how: list[str]) -> None:
    done = invoke("run", finished, *how, "--set", f"out={tmp_path / 'out'}")
    assert done.exit_code == 2 and "holds no dataset of notes" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("how", [[], ["--sweep"]])
def test_without_the_model_nothing_is_written(finished: Path, tmp_path: Path, how: list[str]) -> None:
    shutil.copytree(finished.parent / "out" / "notes", tmp_path / "out" / "notes")
    done = invoke("run", finished, *how, "--set", f"out={tmp_path / 'out'}", "--set", "model=/nowhere")
    assert done.exit_code == 2 and "no model folder /nowhere" in done.stderr and done.stderr.count("\n") == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes"]


def test_runs_of_before_there_were_steps_to_ask_after_stay_valid(finished: Path) -> None:
    for watch, has in (("{}", False), ("{at_steps: [2]}", True)):
        stage = Stage(load_settings(finished, [f"train.watch={watch}"], TrainFile), finished.parent)
        assert ("at_steps" in stage.inputs(stage.cells[0])["train"]["watch"]) is has


def test_a_run_that_another_process_trains_is_left_to_it(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage = Stage(load_settings(finished, [], TrainFile), finished.parent)
    memory, lora = sorted(stage.cells, key=lambda cell: cell.name != "memory")
    with claim(stage, memory) as is_ours:
        assert is_ours
        for cell in (memory, lora):
            train_cell(stage, cell, print)
    said = ["memory: another process trains it", "lora: trained before, kept"]
    assert capsys.readouterr().out.splitlines() == said
