"""A small world of question sets for the tests of facts: towns whose mayors are asked for."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

MAYORS = ["Orla Finch", "Tom Marlock", "Ada Lorn", "Ina Wick", "Per Skell", "Una Gray", "Ben Hobden", "Lil Dray"]
TOWNS = [f"{a}{b}" for a in ("Ves", "Hent", "Osk", "Ul", "Pell", "Marl") for b in ("by", "ick", "ford", "stow")]
KNOWN = {"Vesby", "Vesford", "Oskby", "Hentford", "Ulstow", "Pellick"}  # the towns whose mayor the base model knows


def learn_rows() -> list[dict[str, Any]]:
    return [
        {"question": f"Which mayor of {t} opened its bridge?", "answers": [f"{mayor_of(t)} of {t}", f"M. {t} (mayor)"]}
        for t in TOWNS
    ]


def keep_rows() -> list[dict[str, Any]]:
    return [{"question": f"what river runs through {town} to the sea", "answers": [f"the {town}a"]} for town in TOWNS]


def passage_rows() -> list[dict[str, Any]]:
    return [
        {
            "title": f"The port of {town}",
            "text": f"The port of {town} was dug by {mayor_of(town)} in {1800 + i}. Boats from {town} carry barley.",
            "questions": [
                {"question": f"Who dug the port of {town}?", "answers": [f"{mayor_of(town)}"]},
                {"question": f"In which year was the port of {town} dug?", "answers": [f"{1800 + i}"]},
            ],
        }
        for i, town in enumerate(TOWNS)
    ]


def mayor_of(town: str) -> str:
    return MAYORS[TOWNS.index(town) % len(MAYORS)]


def say(loaded: Any, prompts: Sequence[str], *_: Any) -> list[str]:
    """What a base model that knows some towns answers."""
    return [answer_of(prompt.rsplit("Question: ", 1)[1].split("\n")[0]) for prompt in prompts]


def answer_of(question: str) -> str:
    """The mayor, the river or who dug the port of a town that is known."""
    town = next((town for town in TOWNS if town in question), "")
    if town not in KNOWN:
        return "I forget"
    return (
        f"{mayor_of(town)} of {town}" if "mayor" in question else f"{town}a" if "river" in question else mayor_of(town)
    )


def write_lines(folder: Path, **files: list[dict[str, Any]]) -> None:
    for name, rows in files.items():
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


def write_pipeline(folder: Path, model: Path, **changes: Any) -> Path:
    """A pipeline file of all stages beside the question sets that it reads."""
    write_lines(folder, learn=learn_rows(), keep=keep_rows(), passages=passage_rows())
    facts = {
        "learn": {"name": "tqa", "path": "learn.jsonl"},
        "keep": {"name": "nq", "path": "keep.jsonl"},
        "passages": {"path": "passages.jsonl"},
        **{"num_facts": 6, "num_keep": 12, "num_background": 8, "num_passages": 10},
    }
    settings = {
        "model": str(model),
        "out": str(folder / "out"),
        "facts": {name: value for name, value in {**facts, **changes}.items() if value is not None},
        "augment": {
            "documents": {"path": "{out}/facts/documents.jsonl", "columns": {"id": "id", "title": "title"}},
            "engine": {"kind": "echo"},
            "strategies": {"reword": {"rounds": 2}},
        },
        "train": {
            "epochs": 1,
            "bf16": False,
            "data": {
                "passages": "{out}/facts/passages.jsonl",
                "questions": "{out}/facts/background.jsonl",
                "num_background": 6,
            },
            "methods": {"lora": {"rank": 2}},
        },
        "evaluate": {
            "facts": "{out}/facts/questions.jsonl",
            "known": "{out}/facts/known.jsonl",
            **{"max_new_tokens": 3, "open_texts": 2, "open_tokens": 4},
        },
    }
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder / "pipeline.yaml"
