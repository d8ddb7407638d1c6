"""Evaluation files are read strictly: what is missing or wrong is named by file and key, in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augment.errors import DatasetError
from train.report import read_run, read_runs

ANSWER = {
    "id": "01-f1",
    "document": "01-x.md",
    "kind": "cue",
    "prompt": "The mill stands in",
    "expected": ["Oban"],
    "answer": "Oban",
    "em": True,
    "f1": 1.0,
}


def make_evaluation() -> dict[str, Any]:
    recall = {"em": 0.5, "f1": 0.6, "n": 36}
    return {
        "run": "memory",
        "method": "memory",
        "seed": 0,
        "model": "smollm2-135m",
        "model_revision": "abc",
        "settings": {"lr": 2.0},
        "tokens_trained": 12345,
        "train_sec": 201.3,
        "trainable_parameters": 123,
        "learning": {"cue": recall, "held_out": recall, "reversed": recall},
        "retention": {"kept": 0.93, "num_known": 180, "f1": 0.5, "n": 420},
        "general": {"nll": 2.9, "perplexity": 18.2, "num_tokens": 4000},
        "answers": [dict(ANSWER)],
    }


def save(folder: Path, evaluation: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "evaluation.json"
    path.write_text(json.dumps(evaluation))
    return path


def test_evaluation_is_read_whole(tmp_path: Path) -> None:
    run = read_run(save(tmp_path, make_evaluation()))
    assert run.learning["held_out"].n == 36 and run.retention.kept == 0.93 and run.settings == {"lr": 2.0}
    assert run.answers[0].expected == ("Oban",) and not run.is_base


MISTAKES: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("'learning.held_out.em' is missing", lambda e: e["learning"].update(held_out={"f1": 0, "n": 1})),
    ("'general' is missing", lambda e: e.pop("general")),
    ("'answers[0].prompt' is missing", lambda e: e["answers"][0].pop("prompt")),
    ("'retention.kept' must be a share between 0 and 1, not 93;", lambda e: e["retention"].update(kept=93)),
    ("'general.nll' must be a finite number", lambda e: e["general"].update(nll=float("nan"))),
    ("'seed' must be a finite number", lambda e: e.update(seed=True)),
    ("'tokens_trained' must be a whole number", lambda e: e.update(tokens_trained=1.5)),
    ("'answers[0].expected' must be a list of texts", lambda e: e["answers"][0].update(expected="Oban")),
    (
        "'answers[0].kind' must be one of cue, held_out, reversed, two_hop, choice, free, known, locality",
        lambda e: e["answers"][0].update(kind="x"),
    ),
    ("the cue question '01-f1' is answered twice", lambda e: e["answers"].append(dict(ANSWER))),
]


@pytest.mark.parametrize(("message", "spoil"), MISTAKES, ids=[message for message, _ in MISTAKES])
def test_wrong_key_is_named_with_its_file(
    message: str, spoil: Callable[[dict[str, Any]], object], tmp_path: Path
) -> None:
    evaluation = make_evaluation()
    spoil(evaluation)
    path = save(tmp_path, evaluation)
    with pytest.raises(DatasetError) as caught:
        read_run(path)
    line = str(caught.value)
    assert message in line and str(path) in line and "\n" not in line


@pytest.mark.parametrize("text", ["", "{", "[]", "nonsense"])
def test_broken_file_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    path.write_text(text)
    with pytest.raises(DatasetError, match=r"evaluation\.json"):
        read_run(path)


def test_runs_are_found_by_path_and_hidden_folders_passed_over(tmp_path: Path) -> None:
    for name in ("b", "a/seed-1", ".staging"):
        save(tmp_path / name, {**make_evaluation(), "run": name})
    assert [run.run for run in read_runs(tmp_path)] == ["a/seed-1", "b"]


def test_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"holds no evaluation\.json"):
        read_runs(tmp_path)
