"""What is read of a dataset: its notes, what a teacher left beside them, and the text to replay."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from augment.documents import Documents, HubDataset
from augment.errors import DatasetError
from augment.shards import stage_rows
from augment.store import NoteStore
from tests.rows import blank_row
from tests.worlds import invoke
from tests.worlds import write_world as write_grid
from train.config import Data
from train.corpus import read_corpus
from train.model import Loaded, load_model

OPTIONS = Data(passages="passages.jsonl", questions="q", num_background=2, max_length=12)
ANSWER = "Nine bells hang in the old tower of Vell."


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> Loaded:
    return load_model(str(tiny_model))


def write_notes(folder: Path, rows: list[dict[str, Any]]) -> Path:
    store = NoteStore(folder / "notes")
    whole = [
        blank_row() | {"note_id": f"{i}", "unit_id": f"{i:032x}", "verdict": "kept"} | row for i, row in enumerate(rows)
    ]
    store.commit(stage_rows(store.folder, whole))
    (folder / "passages.jsonl").write_text("\n".join(json.dumps({"text": f"It rains on hill {i}."}) for i in range(4)))
    return folder / "notes"


def study_row(loaded: Loaded, **changes: Any) -> dict[str, Any]:
    """A note of self-study with the three likeliest tokens at each of its answer's."""
    asked = "Question: How many bells?\nAnswer: "
    ids = [*loaded.tokenizer(ANSWER).input_ids, loaded.tokenizer.eos_token_id]
    row = {"text": asked + ANSWER, "answer_start": len(asked), "token_ids": ids, "strategy": "self_study"}
    row |= {"top_ids": [[token, 5, 6] for token in ids], "top_logprobs": [[-0.1, -3.0, -4.0]] * len(ids)}
    return row | {"model_revision": loaded.folder.revision, "document_id": "a.md", "start": 0, "end": 9} | changes


def test_a_note_of_self_study_brings_the_targets_of_each_of_its_answer_s_tokens(loaded: Loaded, tmp_path: Path) -> None:
    corpus = read_corpus(
        write_notes(tmp_path, [study_row(loaded)]), tmp_path, OPTIONS, loaded.tokenizer, loaded.folder.revision
    )
    assert corpus.num_foreign == 0 and len(corpus.notes) > 1, "the answer is cut into windows"
    learned = [sample.ids[i] for sample in corpus.notes for i in sample.learned()]
    assert learned == study_row(loaded)["token_ids"]
    tops = torch.cat([sample.targets.ids for sample in corpus.notes if sample.targets is not None])
    assert tops[:, 0].tolist() == learned and tops.shape[1] == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"model_revision": "another"},
        {"token_ids": [7] * 11},  # this tokenizer reads something else in them
        {"token_ids": [900_000] * 11},  # and these it does not know
    ],
)
def test_what_another_model_or_tokenizer_left_is_counted_and_not_used(
    loaded: Loaded, tmp_path: Path, changes: dict[str, Any]
) -> None:
    notes = write_notes(tmp_path, [study_row(loaded), study_row(loaded, **changes)])
    corpus = read_corpus(notes, tmp_path, OPTIONS, loaded.tokenizer, loaded.folder.revision)
    assert corpus.num_foreign == 1
    assert {sample.targets is None for sample in corpus.notes} == {True, False}


def test_distilling_says_what_it_does_not_use(tiny_model: Path, loaded: Loaded, tmp_path: Path) -> None:
    file = write_grid(tmp_path, tiny_model)
    rows = [study_row(loaded, document_id="tower.md"), study_row(loaded, model_revision="x", document_id="tower.md")]
    write_notes(tmp_path / "other", rows)
    chosen = [
        "--set",
        "train.methods={lora: {rank: 2}}",
        "--set",
        "train.objectives=[distill]",
        "--set",
        "train.epochs=1",
    ]
    said = invoke("run", file, *chosen, "--set", f"out={tmp_path / 'other'}")
    assert "lora: 1 notes bring log-probabilities of another model or tokenizer, not used" in said
    assert (tmp_path / "other" / "train" / "lora" / "checkpoint").is_dir()


def test_a_dataset_without_a_kept_note_is_one_line(loaded: Loaded, tmp_path: Path) -> None:
    notes = write_notes(tmp_path, [{"text": "Nothing.", "verdict": "rejected", "reason": "copied"}])
    with pytest.raises(DatasetError, match="holds no kept note; see the reasons with `augment stats`"):
        read_corpus(notes, tmp_path, OPTIONS, loaded.tokenizer)


def texts_of(corpus: Any, loaded: Loaded) -> list[str]:
    return [loaded.tokenizer.decode(sample.ids, skip_special_tokens=True) for sample in corpus.replay]


@pytest.mark.slow
def test_replay_comes_from_the_background_a_file_or_a_dataset(loaded: Loaded, tmp_path: Path) -> None:
    from datasets import Dataset

    notes = write_notes(tmp_path, [{"text": "Nine bells."}])
    read = lambda **changes: texts_of(  # noqa: E731
        read_corpus(notes, tmp_path, OPTIONS.model_copy(update=changes), loaded.tokenizer), loaded
    )
    assert read() == ["It rains on hill 0.", "It rains on hill 1."]
    Dataset.from_dict({"body": [f"Snow lies on hill number {i}." for i in range(5)]}).save_to_disk(tmp_path / "hills")
    source = Documents.model_validate(
        {"path": "hills", "dataset": HubDataset(), "columns": {"text": "body"}, "limit": 2}
    )
    assert read(replay_from=source) == ["Snow lies on hill number 0.", "Snow lies on hill number 1."]
    assert len(read(replay_from=Documents.model_validate({"path": "passages.jsonl"}))) == 4
    with pytest.raises(DatasetError, match=r"nothing to replay: .*train\.data\.replay_from"):
        read(replay_from=Documents.model_validate({"path": "nowhere", "dataset": HubDataset()}))
    with pytest.raises(DatasetError, match="nothing to replay: "):
        read(replay_from=Documents.model_validate({"path": "nowhere"}))
