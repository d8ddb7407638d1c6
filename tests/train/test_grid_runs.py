"""One file compares every method, objective and mix on a tiny random model, from notes to report."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from tests.worlds import invoke, write_world
from train.cli import app
from train.stream import describe_stream, split_documents


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    return write_world(tmp_path_factory.mktemp("grid"), tiny_model)


@pytest.mark.slow
def test_every_run_is_trained_on_the_same_tokens_evaluated_and_reported(world: Path, knowing: None) -> None:
    said = invoke("run", world)
    assert said.count("asking the teacher") == 1
    runs = world.parent / "out" / "train"
    methods = ("memory", "memory_all", "lora", "full", "prefix")
    trained = [f"{method}-{objective}" for method in methods for objective in ("next_token", "distill")]
    records = [json.loads((runs / name / "checkpoint" / "run.json").read_text()) for name in trained]
    assert len({record["tokens_trained"] for record in records}) == 1
    assert [record["method"] for record in records] == trained
    assert not list(runs.glob("*/states"))
    assert "memory-distill: trained before, kept" in invoke("run", world)
    invoke("evaluate", world)
    answers = json.loads((runs / "in_context" / "evaluation.json").read_text())
    assert answers["settings"] == {"kind": "in_context", "max_tokens": 1024} and answers["tokens_trained"] == 0
    assert answers["general"]["kl"] == 0.0, "an untrained method has the base's weights"
    record = json.loads((runs / "lora-next_token" / "evaluation.json").read_text())
    assert record["general"]["kl"] > 0 and len(record["general"]["texts"]) == 2 and record["lm_eval"] == []
    assert [record["open"][kind]["n"] for kind in ("document", "general")] == [2, 2]
    assert "recalled" in invoke("explain", runs / "lora-next_token", "tower").splitlines()[0]
    reported = invoke("report", world)
    report = json.loads((world.parent / "out" / "report" / "report.json").read_text())
    assert "Reversed" not in (world.parent / "out" / "report" / "report.md").read_text()  # nobody asked
    assert {method["label"] for method in report["methods"]} == {"base", *trained, "in_context", "retrieval"}
    rows = {line.replace("|", " ").split()[0] for line in reported.splitlines() if line.strip()}
    assert {"base", *trained, "in_context", "retrieval"} <= rows, "all eight methods stand in one table"
    places = {fact["id"]: (fact["num_chunks"], fact["num_kept"]) for fact in report["facts"]}
    assert places == {"tower": (1, 2), "bridge": (1, 2)} and report["facts_in_no_kept_note"] == []


def test_a_mix_trains_what_it_names_as_often_as_it_says(world: Path) -> None:
    mixes = "train.mixes={one: {verbatim: 1}, both: {verbatim: 2, paraphrase: 0.5}, none: {poems: 1}}"
    chosen = ["--set", "train.methods={lora: {rank: 2}}", "--set", "train.objectives=[next_token]"]
    chosen += ["--set", "train.data.replay_share=0", "--set", mixes]
    done = CliRunner().invoke(app, ["run", str(world), *chosen])
    assert done.exit_code == 2 and "there is nothing to train on" in done.output
    runs = world.parent / "out" / "train"
    one, both = (json.loads((runs / f"lora-{n}" / "checkpoint" / "run.json").read_text()) for n in ("one", "both"))
    assert both["tokens_trained"] / one["tokens_trained"] == pytest.approx(2.5, rel=0.05)


def test_a_stream_is_asked_about_all_groups_after_each(world: Path, knowing: None) -> None:
    memory = "{layers: [1], num_keys: 16, top_t: 50, protect_earlier: true}"
    chosen = ["--set", f"train.methods={{memory: {memory}, lora: {{rank: 2}}}}", "--set", "train.tasks=2"]
    invoke("run", world, *chosen, "--set", "train.objectives=[next_token]", "--set", f"out={world.parent / 'out'}")
    for name in ("memory", "lora"):
        stream = json.loads((world.parent / "out" / "train" / name / "stream.json").read_text())
        assert stream["groups"] == [["bridge.md"], ["tower.md"]]
        assert len(stream["after"]) == 2 and len(stream["after"][0]["recall"]) == 2
    patches = world.parent / "out" / "train" / "memory" / "checkpoint" / "patches"
    from train.memory.patch import applied_patches

    first, second = sorted((p for p in applied_patches(patches) if p.metadata["document"]), key=lambda p: p.name)
    for layer, (slots, _) in first.layers.items():
        assert not set(slots.tolist()) & set(second.layers[layer][0].tolist())


def test_a_stream_can_be_asked_after_some_groups_only(world: Path, knowing: None, tmp_path: Path) -> None:
    (tmp_path / "notes").symlink_to(world.parent / "out" / "notes")
    chosen = ["--set", "train.methods={lora: {rank: 2}}", "--set", "train.tasks=2", "--set", "train.ask_every=2"]
    chosen += ["--set", "train.objectives=[next_token]", "--set", f"out={tmp_path}"]
    invoke("run", world, *chosen)
    stream = json.loads((tmp_path / "train" / "lora" / "stream.json").read_text())
    assert stream["after"][0]["right"] is None and stream["after"][1]["right"]
    assert stream["accuracy"] is not None and stream["backward_transfer"] is None
    invoke("evaluate", world, *chosen)
    invoke("report", world, *chosen)
    assert "after group 2" in (tmp_path / "report" / "report.md").read_text()


@pytest.mark.slow
def test_a_stream_that_was_killed_goes_on_in_its_group(
    world: Path, knowing: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = "{layers: [1], num_keys: 16, top_t: 50, protect_earlier: true}"
    chosen = ["--set", f"train.methods={{memory: {memory}, lora: {{rank: 2}}}}", "--set", "train.tasks=2"]
    chosen += ["--set", "train.objectives=[next_token]", "--set", "train.checkpoint_every=1"]
    outs = [tmp_path / "whole", tmp_path / "killed"]
    for out in outs:
        out.mkdir()
        (out / "notes").symlink_to(world.parent / "out" / "notes")
    invoke("run", world, *chosen, "--set", f"out={outs[0]}")

    from train import loop

    calls, take_step = [], loop.take_step

    def dying(*arguments: Any, **named: Any) -> float:
        calls.append(1)
        if len(calls) in (4, 7, 8):  # in the second group, then at once, and in the next run
            raise KeyboardInterrupt
        return take_step(*arguments, **named)

    monkeypatch.setattr(loop, "take_step", dying)
    for _ in range(4):
        CliRunner().invoke(app, ["run", str(world), *map(str, chosen), "--set", f"out={outs[1]}"])
    assert len(calls) > 8
    for name in ("memory", "lora"):
        whole, killed = (json.loads((out / "train" / name / "stream.json").read_text()) for out in outs)
        for row in (*whole["after"], *killed["after"]):
            del row["seconds"]
        assert whole == killed
        files = sorted((outs[0] / "train" / name / "checkpoint").rglob("*.safetensors"))
        assert files
        for file in files:
            ours, theirs = load_file(file), load_file(outs[1] / file.relative_to(outs[0]))
            assert ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_watching_writes_the_curve_and_ends_at_the_target(world: Path, knowing: None) -> None:
    chosen = ["--set", "train.methods={lora: {rank: 2}}", "--set", "train.objectives=[next_token]"]
    chosen += ["--set", "train.watch={stop_at_recall: 0.5, at_steps: [1, 2]}", "--set", "train.epochs=3"]
    invoke("run", world, *chosen)
    folder = world.parent / "out" / "train" / "lora"
    points = [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]
    assert [point["epoch"] for point in points] == [1, 1, 1, 2, 3] and {"recall", "kept", "nll"} <= points[0].keys()
    assert [point["step"] for point in points][:2] == [1, 2] and len({point["step"] for point in points}) == 5
    invoke("evaluate", world, *chosen)
    invoke("report", world, *chosen)
    report = json.loads((world.parent / "out" / "report" / "report.json").read_text())
    (method,) = report["matched_learning"]["methods"]
    assert method["label"] == "lora" and len(method["paths"][0]) >= 6, "the base, and five watched points"


def test_a_missing_package_is_said_before_anything_is_evaluated(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.evaluate.harness.find_spec", lambda name: None)
    chosen = ["--set", "train.methods={in_context: {}}", "--set", "evaluate.lm_eval=[arc_easy]"]
    done = CliRunner().invoke(app, ["evaluate", str(world), *chosen])
    assert done.exit_code == 2 and "pip install 'ingrain[lm-eval]'" in done.output and "evaluating" not in done.output


def test_the_figures_of_a_stream_are_those_of_lopez_paz_and_ranzato() -> None:
    rows = [{"recall": r} for r in ([0.0, 0.0, 0.1], [0.8, 0.1, 0.0], [0.6, 0.9, 0.2], [0.4, 1.0, 0.7])]
    figures = describe_stream([{"a"}, {"b"}, {"c"}], rows)
    assert figures["accuracy"] == pytest.approx(0.7)
    assert figures["backward_transfer"] == pytest.approx(((0.4 - 0.8) + (1.0 - 0.9)) / 2)
    assert figures["forgetting"] == pytest.approx(((0.8 - 0.4) + 0.0) / 2)
    assert figures["forward_transfer"] == pytest.approx(((0.1 - 0.0) + (0.2 - 0.1)) / 2)
    assert split_documents(["a", "b", "c", "d", "e"], 2) == [{"a", "b"}, {"c", "d", "e"}]
