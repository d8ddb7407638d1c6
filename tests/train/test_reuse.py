"""The runs of a grid share what is common: tokens, the teacher's answers, the background, states below what trains."""

import inspect
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.worlds import invoke, write_world
from train import corpus, stage, teacher
from train.activations import ActivationCache
from train.memory.attach import fit_background

MEMORY = "{layers: [2], num_keys: 16, top_t: 50}"


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the costly things were done."""
    done: Counter[str] = Counter()

    def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            done[name] += 1
            return call(*arguments, **named)

        return run

    monkeypatch.setattr(stage, "read_corpus", counted("tokenised", corpus.read_corpus))
    monkeypatch.setattr(teacher, "ask", counted("asked", teacher.ask))
    monkeypatch.setattr("train.shared_background.fit_background", counted("fitted", fit_background))
    for name in ("watching", "skipping"):
        monkeypatch.setattr(ActivationCache, name, counted(name, getattr(ActivationCache, name)))
    return done


def test_a_grid_does_once_what_its_runs_have_in_common(tiny_model: Path, tmp_path: Path, counts: Counter[str]) -> None:
    file = write_world(tmp_path, tiny_model)
    methods = f"train.methods={{memory: {MEMORY}, memory_all: {{kind: memory, ranking: all, {MEMORY[1:]}, lora: {{}}}}"
    chosen = ["--set", methods, "--set", "train.cache_activations=true"]
    invoke("run", file, *chosen)
    assert counts["tokenised"] == 2, "once with what the notes brought along for distill, once without"
    assert counts["asked"] == 1 and counts["fitted"] == 1
    steps = 2 * len((tmp_path / "out" / "train" / "lora-distill" / "metrics.jsonl").read_text().splitlines())
    assert counts["watching"] <= steps / 2 and counts["skipping"] + counts["watching"] == 2 * steps, "four memory runs"
    (tmp_path / "out" / "train" / "memory-distill" / "inputs.json").unlink()
    invoke("run", file, *chosen)  # a command that comes later
    assert counts["asked"] == 1 and counts["fitted"] == 1 and counts["tokenised"] == 3


def test_a_memory_of_another_seed_or_shape_is_fitted_anew(
    tiny_model: Path, tmp_path: Path, counts: Counter[str]
) -> None:
    file = write_world(tmp_path, tiny_model)
    others = ", ".join(
        f"memory_{i}: {{kind: memory, {change}, {MEMORY[1:]}"
        for i, change in enumerate(("null_score: 1", "heads: 2", "placement: centres", "contrasts: 1"))
    )
    chosen = ["--set", f"train.methods={{memory: {MEMORY}, {others}}}", "--set", "train.objectives=[next_token]"]
    invoke("run", file, *chosen, "--set", "train.seeds=[0, 1]", "--set", "train.epochs=1")
    assert counts["fitted"] == 10


def test_all_that_says_how_to_fit_reaches_the_fit(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []

    def look(*arguments: Any) -> None:
        seen.append(inspect.signature(fit_background).bind(*arguments).arguments)
        fit_background(*arguments)

    monkeypatch.setattr("train.shared_background.fit_background", look)
    chosen = f"train.methods={{memory: {{null_score: 1.2, placement: centres, contrasts: 3, {MEMORY[1:]}}}"
    rest = ["--set", "train.objectives=[next_token]", "--set", "train.epochs=1"]
    invoke("run", write_world(tmp_path, tiny_model), "--set", chosen, *rest)
    (call,) = seen
    options = call["options"]
    assert (options.null_score, options.placement, options.contrasts) == (1.2, "centres", 3) and call["notes"]


def test_a_fit_that_was_read_is_the_one_that_was_made(tiny_model: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    file = write_world(tmp_path, tiny_model)
    chosen = ["--set", f"train.methods={{memory: {MEMORY}}}", "--set", "train.objectives=[next_token]"]
    invoke("run", file, *chosen)
    checkpoint = tmp_path / "out" / "train" / "memory" / "checkpoint"
    made = {path: load_file(path) for path in checkpoint.rglob("*.safetensors")}
    (checkpoint.parent / "inputs.json").unlink()
    invoke("run", file, *chosen)
    assert len(made) >= 3
    for path, tensors in made.items():
        again = load_file(path)
        assert tensors.keys() == again.keys() and all(torch.equal(tensors[name], again[name]) for name in tensors)
