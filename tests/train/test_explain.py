"""A question is followed from the run's answer back to notes, chunks and documents, on records made by hand."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from augment.errors import DatasetError
from augment.records import Document
from augment.shards import stage_rows
from augment.store import NoteStore
from tests.rows import blank_row
from train.cli import app
from train.config import TrainFile
from train.evaluate.coverage import find_answers, find_leaks, gather_material
from train.evaluate.probes import Probe
from train.explain import Training, describe, diagnose, explain
from train.passages import Passages
from train.stage import Stage

TEXT = "The tower of Vell was built by Orla Finch. It has nine bells. A fox sleeps in it."
FACTS = {  # id: answer, question
    "built": ("Orla Finch", "Who built the tower of Vell?"),
    "bells": ("nine", "How many bells has the tower of Vell?"),
    "fox": ("a fox", "Which animal sleeps in the tower of Vell?"),
    "roof": ("slate", "What is the roof of the tower of Vell made of?"),
}
NOTES = [  # strategy, span, text, reason
    ("paraphrase", (0, 42), "Orla Finch built the tower of Vell.", ""),
    ("questions", (0, 42), "Question: Who built the tower of Vell?\nAnswer: Orla Finch", ""),
    ("verbatim", (43, 61), "It has nine bells.", ""),
    ("paraphrase", (62, 81), "In it a fox <b>sleeps</b>.", "copy"),
]


def write_notes(folder: Path) -> None:
    store, rows = NoteStore(folder), []
    for i, (strategy, (start, end), text, reason) in enumerate(NOTES):
        row = blank_row() | {"text": text, "note_id": f"{i:08d}note", "unit_id": f"{i:032x}", "document_id": "tower.md"}
        row |= {"strategy": strategy, "start": start, "end": end, "reason": reason}
        rows.append(row | {"verdict": "rejected" if reason else "kept"})
    store.commit(stage_rows(store.folder, rows))


def answers(right: set[str]) -> list[dict[str, Any]]:
    """Cue and question of each fact, and one general question; `right` are answered, by `id` or `id kind`."""
    records = []
    for name, (answer, question) in FACTS.items():
        for kind, prompt in (("cue", f"About {name}:"), ("held_out", question)):
            records.append(answered(name, kind, prompt, answer, {name, f"{name} {kind}"} & right))
    return [*records, answered("k1", "known", "What is the capital of France?", "Paris", {"k1"} & right)]


def answered(name: str, kind: str, prompt: str, expected: str, is_right: object) -> dict[str, Any]:
    answer = expected if is_right else "\x1b[31mno"
    document = "" if kind == "known" else "tower.md"
    return {"id": name, "document": document, "kind": kind, "prompt": prompt, "expected": [expected]} | {
        "answer": answer,
        "em": bool(is_right),
        "f1": float(bool(is_right)),
    }


def write_evaluation(folder: Path, method: str, right: set[str]) -> None:
    folder.mkdir(parents=True)
    score = {"em": 0.0, "f1": 0.0, "n": 4}
    record = {"run": folder.name, "method": method, "seed": 0, "model": "tiny", "model_revision": "r", "settings": {}}
    record |= {"tokens_trained": 9, "train_sec": 1.0, "trainable_parameters": 2, "pipeline_folder": "../../.."}
    record |= {"learning": {"cue": score, "held_out": score}, "answers": answers(right)}
    record |= {"retention": {"kept": 1.0, "num_known": 1, "f1": 1.0, "n": 1}}
    record |= {"general": {"nll": 2.0, "perplexity": 7.4, "num_tokens": 5}}
    (folder / "evaluation.json").write_text(json.dumps(record))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that recalls the builder after the cue alone, with base, notes and documents around it."""
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "tower.md").write_text(TEXT)
    write_notes(tmp_path / "out" / "notes")
    runs = tmp_path / "out" / "train"
    write_evaluation(runs / "base", "none", {"k1"})
    write_evaluation(runs / "lora", "lora", {"built cue"})
    state = json.loads((tmp_path / "out" / "notes" / "train" / "state.json").read_text())
    inputs = {"notes": state["_fingerprint"], "mix": {"paraphrase": 1.5, "questions": 1}, "train": {"epochs": 9}}
    (runs / "lora" / "inputs.json").write_text(json.dumps(inputs))
    (runs / "lora" / "metrics.jsonl").write_text('{"step": 1, "epoch": 0}\n{"step": 2, "epoch": 3}\n')
    settings = {
        "model": "tiny",
        "out": "elsewhere",
        "augment": {"documents": {"path": "documents"}, "strategies": {"verbatim": {}}},
        "train": {"methods": {"lora": {}}, "data": {"passages": "p.jsonl", "questions": "q.jsonl"}},
        "evaluate": {"facts": "facts.jsonl", "known": "known.jsonl"},
    }
    (runs / "train.yaml").write_text(yaml.safe_dump(settings))
    return runs / "lora"


@pytest.mark.parametrize(
    ("question", "diagnosis"),
    [
        ("built", "trained 10 times in 2 notes, but not recalled in this phrasing: 1 held-out"),
        ("bells", "in 1 kept note, but this run trained on none of them: its mix leaves their strategies out"),
        ("fox", "in 1 chunk, but in no kept note; rejected notes have it: 1 copy"),
        ("roof", "the answer stands in no chunk that was studied, as it is expected, and in no kept note"),
        ("k1", "known before and lost in training: it was forgotten"),
    ],
)
def test_each_way_to_lose_an_answer_has_its_line(run: Path, question: str, diagnosis: str) -> None:
    assert diagnose(explain(run, question)).startswith(diagnosis)


def test_the_command_shows_answers_notes_and_chunks_in_clean_text(run: Path) -> None:
    done = CliRunner().invoke(app, ["explain", str(run), "built"])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0].startswith("built: trained 10 times")
    assert "  run: right: Orla Finch" in lines and "chunks with the answer: 1" in lines
    assert "  tower.md 0-42" in lines
    assert "  00000000 paraphrase, trained 6 times, about 0-42: Orla Finch built the tower of Vell." in lines
    assert "\x1b" not in done.output
    assert (
        "  00000003 paraphrase, copy, about 62-81: In it a fox <b>sleeps</b>."
        in "\n".join(describe(explain(run, "fox"))).splitlines()
    )


def test_what_was_recalled_everywhere_and_what_was_never_known(run: Path) -> None:
    found = explain(run, "built")
    everywhere = replace(found, answers=tuple(replace(answer, em=True) for answer in found.answers))
    assert diagnose(everywhere) == "recalled in every phrasing that was asked"
    nothing = replace(found, training=Training(0, None))
    assert diagnose(nothing).endswith("trained on none of them: the method trains nothing")
    general = replace(explain(run, "k1"), before=())
    assert diagnose(general) == "the base model did not know it either"


def test_documents_that_are_gone_leave_the_notes(run: Path) -> None:
    (run.parents[2] / "documents" / "tower.md").unlink()
    lines = list(describe(explain(run, "roof")))
    assert lines[0].startswith("roof: in no kept note; no rejected note has it either")
    assert [line for line in lines if line.startswith("chunks: not searched (")]


def test_a_dataset_that_changed_is_said(run: Path) -> None:
    inputs = json.loads((run / "inputs.json").read_text())
    (run / "inputs.json").write_text(json.dumps(inputs | {"notes": "other"}))
    assert "the dataset has changed since the run was trained; these are the notes of today" in describe(
        explain(run, "built")
    )


def test_an_unknown_question_and_an_old_evaluation_are_one_line(run: Path) -> None:
    done = CliRunner().invoke(app, ["explain", str(run), "nothing"])
    assert done.exit_code == 2 and "asks no question 'nothing'; its ids begin with bells, built" in done.output
    record = json.loads((run / "evaluation.json").read_text())
    del record["pipeline_folder"]
    (run / "evaluation.json").write_text(json.dumps(record))
    with pytest.raises(DatasetError, match="evaluate it again"):
        explain(run, "built")


def test_places_are_those_of_the_facts_own_document(tmp_path: Path) -> None:
    write_notes(tmp_path / "notes")
    passages = Passages({"tower.md": Document("tower.md", "", "tower.md", TEXT)}, ())
    facts = [Probe("a", "tower.md", "cue", "", ["Orla Finch"]), Probe("b", "bridge.md", "cue", "", ["Orla Finch"])]
    found = find_answers(facts, tmp_path / "notes", passages)
    assert (found["a"].chunks, len(found["a"].kept), found["b"].chunks, found["b"].notes) == (
        [("tower.md", 0, 42)],
        2,
        [],
        [],
    )


def test_leaks_are_the_questions_that_stand_in_kept_notes(tmp_path: Path) -> None:
    write_notes(tmp_path)
    questions = [question for _, question in FACTS.values()]
    assert find_leaks([*questions, "Who built?"], tmp_path) == {FACTS["built"][1]}


def test_the_material_counts_every_fact(run: Path) -> None:
    settings = yaml.safe_load((run.parent / "train.yaml").read_text())
    stage = Stage(TrainFile.model_validate(settings | {"out": str(run.parents[1])}), run.parents[2])
    probes = [Probe(name, "tower.md", "cue", "", [answer]) for name, (answer, _) in FACTS.items()]
    probes.append(Probe("built", "tower.md", "held_out", FACTS["built"][1], ["Orla Finch"]))
    material = gather_material(stage, probes)
    places = {fact.id: (fact.num_chunks, fact.num_kept, fact.num_rejected) for fact in material.facts}
    assert places == {"built": (1, 2, 0), "bells": (1, 1, 0), "fox": (1, 0, 1), "roof": (0, 0, 0)}
    assert material.leaked == {FACTS["built"][1]}
