"""The status of a run is read from its files alone, whatever moment they are read at."""

import json
from pathlib import Path

import pytest

from augment.errors import DatasetError
from train.status import read_status

LINE = {"step": 4, "num_steps": 10, "epoch": 0, "loss": 1.5, "tokens": 400, "seconds": 2.0}


def write_run(folder: Path, *, whole: bool) -> None:
    folder.mkdir(parents=True)
    lines = [json.dumps(LINE | {"step": 3, "loss": 2.0}), json.dumps(LINE), '{"step": 5, "num']
    (folder / "metrics.jsonl").write_text("\n".join(lines))
    (folder / "curve.jsonl").write_text(json.dumps({"recall": {"held_out": 0.25}}) + "\n")
    if whole:
        (folder / "checkpoint").mkdir()
        (folder / "checkpoint" / "run.json").write_text("{}")
        (folder / "inputs.json").write_text("{}")


def test_runs_that_train_and_runs_that_are_finished(tmp_path: Path) -> None:
    write_run(tmp_path / "train" / "lora", whole=False)
    write_run(tmp_path / "train" / "memory", whole=True)
    (tmp_path / "train" / "base").mkdir()
    training, finished = read_status(tmp_path)
    assert (training.name, training.state, training.step, training.num_steps) == ("lora", "training", 4, 10)
    assert (training.loss, training.tokens_per_sec, training.left_sec, training.recall) == (1.5, 200.0, 3.0, 0.25)
    assert (finished.state, finished.left_sec) == ("finished", None)
    assert read_status(tmp_path / "train" / "lora") == [training]


def test_the_runs_of_a_sweep_are_shown_too(tmp_path: Path) -> None:
    write_run(tmp_path / "sweep" / "lora-lr0.001", whole=False)
    write_run(tmp_path / "train" / "lora", whole=True)
    assert [run.name for run in read_status(tmp_path)] == ["lora", "lora-lr0.001"]


def test_a_folder_without_runs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no run"):
        read_status(tmp_path)
