"""One file compares every method, objective and mix on a tiny random model, from notes to report."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from augment.shards import NoteStore, stage_rows
from tests.rows import blank_row
from train.cli import app
from train.stream import describe_stream, split_documents

FACTS = {"tower": ("Orla Finch", "Who built the tower of Vell?"), "bridge": ("nine", "How many bells has the bridge?")}


def invoke(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    assert done.exit_code == 0, done.output + str(done.exception)
    return done.output


def write_notes(folder: Path) -> None:
    """Two documents, two strategies; the second copies the first's words."""
    store, rows = NoteStore(folder / "out" / "notes"), []
    for i, (name, text) in enumerate(sorted(texts().items())):
        (folder / "documents").mkdir(exist_ok=True)
        (folder / "documents" / f"{name}.md").write_text(text)
        for j, strategy in enumerate(("verbatim", "paraphrase")):
            row = blank_row() | {"text": text, "note_id": f"n{i}{j}", "unit_id": f"{10 * i + j:032x}"}
            row |= {"document_id": f"{name}.md", "strategy": strategy, "start": 0, "end": len(text)}
            rows.append(row | {"verdict": "kept"})
    store.commit(stage_rows(store.folder, rows))


def texts() -> dict[str, str]:
    return {n: f"The {n} of Vell was built by Orla Finch. The {n} of Vell has nine bells." for n in FACTS}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    folder = tmp_path_factory.mktemp("grid")
    write_notes(folder)
    facts = [
        {"id": n, "document": f"{n}.md", "cue": f"The {n} of Vell", "questions": [q], "answer": a, "reversed": None}
        for n, (a, q) in FACTS.items()
    ]
    known = [{"id": f"k{i}", "question": f"What is {i} and {i}?", "answer": "Paris"} for i in range(3)]
    passages = [{"text": f"Rain falls on hill number {i} and runs to the sea in small brown rivers."} for i in range(6)]
    for name, rows in {"facts": facts, "known": known, "passages": passages}.items():
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    memory = {"layers": [1], "num_keys": 16, "top_t": 50}
    settings: dict[str, Any] = {
        "model": str(tiny_model),
        "out": str(folder / "out"),
        "augment": {"documents": {"path": "documents"}, "strategies": {"verbatim": {}}},
        "train": {
            "epochs": 2,
            "bf16": False,
            "data": {"passages": "passages.jsonl", "questions": "known.jsonl", "num_background": 4},
            "objectives": ["next_token", "distill"],
            "distill": {"top_k": 5},
            "methods": {"memory": memory, "memory_all": {**memory, "kind": "memory", "ranking": "all"}}
            | {"lora": {"rank": 2}, "prefix": {"num_tokens": 4}, "in_context": {}, "retrieval": {"top_k": 1}},
        },
        "evaluate": {
            "facts": "facts.jsonl",
            "known": "known.jsonl",
            "max_new_tokens": 4,
            "open_texts": 3,
            "open_tokens": 6,
        },
    }
    (folder / "grid.yaml").write_text(yaml.safe_dump(settings))
    return folder / "grid.yaml"


@pytest.fixture
def knowing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A random model answers nothing; here every general question counts as known."""
    monkeypatch.setattr("train.evaluate.measure.known_ids", lambda answers: {"k0", "k1", "k2"})
    monkeypatch.setattr("train.evaluate.base.known_ids", lambda answers: {"k0", "k1", "k2"})


def test_every_run_is_trained_on_the_same_tokens_evaluated_and_reported(world: Path, knowing: None) -> None:
    said = invoke("run", world)
    assert said.count("asking the teacher") == 1
    runs = world.parent / "out" / "train"
    trained = [f"{m}-{o}" for m in ("memory", "memory_all", "lora", "prefix") for o in ("next_token", "distill")]
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
    invoke("report", world)
    report = json.loads((world.parent / "out" / "report" / "report.json").read_text())
    assert "Reversed" not in (world.parent / "out" / "report" / "report.md").read_text()  # nobody asked
    assert {method["label"] for method in report["methods"]} == {"base", *trained, "in_context", "retrieval"}
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


def test_watching_writes_the_curve_and_ends_at_the_target(world: Path, knowing: None) -> None:
    chosen = ["--set", "train.methods={lora: {rank: 2}}", "--set", "train.objectives=[next_token]"]
    chosen += ["--set", "train.watch={stop_at_recall: 0.5}", "--set", "train.epochs=3"]
    invoke("run", world, *chosen)
    folder = world.parent / "out" / "train" / "lora"
    points = [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]
    assert [point["epoch"] for point in points] == [1, 2, 3] and {"recall", "kept", "nll"} <= points[0].keys()
    invoke("evaluate", world, *chosen)
    invoke("report", world, *chosen)
    report = json.loads((world.parent / "out" / "report" / "report.json").read_text())
    (method,) = report["matched_learning"]["methods"]
    assert method["label"] == "lora" and len(method["paths"][0]) >= 4, "the base, and three watched points"


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
    assert split_documents(["a", "b", "c", "d", "e"], 2) == [{"a", "b"}, {"c", "d", "e"}]
