"""A small world to train in: two documents with their notes, questions, and a pipeline file on a tiny random model."""

import json
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from augment.shards import stage_rows
from augment.store import NoteStore
from tests.rows import blank_row
from train.cli import app

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


def write_world(folder: Path, tiny_model: Path) -> Path:
    """A pipeline file that asks for every method and objective, beside all that it names."""
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
            | {"lora": {"rank": 2}, "full": {"lr": 1e-3}, "prefix": {"num_tokens": 4}}
            | {"none": {}, "in_context": {}, "retrieval": {"top_k": 1}},
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
