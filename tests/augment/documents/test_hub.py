"""Hugging Face datasets to documents: saved folders, folders of data files, and names without a network."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict

from augment.documents import Documents, iterate_documents, read_documents
from augment.errors import DocumentError
from augment.records import Document

WORDS = "Pellick lies at the head of a shallow bay."
ROWS = [{"key": f"q{n}", "name": f"Town {n}", "body": f"{WORDS} {n}"} for n in range(150)]
COLUMNS = {"text": "body", "title": "name", "id": "key"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = Dataset.from_list(ROWS)
    rows.save_to_disk(tmp_path / "flat")
    DatasetDict(train=rows.select(range(3)), test=rows.select(range(2))).save_to_disk(tmp_path / "splits")
    (tmp_path / "files").mkdir()
    rows.to_parquet(tmp_path / "files" / "part.parquet")
    (tmp_path / "lines").mkdir()
    rows.to_json(tmp_path / "lines" / "part.jsonl")
    return tmp_path


@pytest.mark.parametrize("path", ["flat", "files", "lines"])
def test_every_row_is_a_document(folder: Path, path: str) -> None:
    documents, skipped = read_documents(Documents(path=path, dataset={}, columns=COLUMNS), folder)
    assert not skipped
    assert [(d.id, d.title, d.text, d.source) for d in documents] == [
        (r["key"], r["name"], r["body"], path) for r in ROWS
    ]
    documents, _ = read_documents(Documents(path=path, dataset={}, columns={"text": "body"}, limit=2), folder)
    assert [(d.id, d.title) for d in documents] == [
        (f"{path}/train#1", f"{WORDS} 0"),
        (f"{path}/train#2", f"{WORDS} 1"),
    ]


def test_a_split_is_chosen_and_an_unknown_one_is_named(folder: Path) -> None:
    for split, number in (("train", 3), ("test", 2)):
        options = Documents(path="splits", dataset={"split": split}, columns=COLUMNS)
        assert len(read_documents(options, folder)[0]) == number
    for path, part in (("splits", "dataset.split: train, test"), ("files", "nowhere")):
        with pytest.raises(DocumentError, match=part):
            read_documents(Documents(path=path, dataset={"split": "nowhere"}, columns=COLUMNS), folder)


@pytest.mark.parametrize("path", ["flat", "splits", "files", "lines"])
def test_an_unknown_column_names_those_there_are(folder: Path, path: str) -> None:
    with pytest.raises(DocumentError, match=r"has no column text \(it has key, name, body\); name its columns"):
        read_documents(Documents(path=path, dataset={}), folder)


def test_rows_stream(folder: Path) -> None:
    documents = iterate_documents(Documents(path="flat", dataset={}, columns=COLUMNS), folder)
    assert isinstance(next(documents), Document)


def test_a_broken_dataset_is_one_line(folder: Path) -> None:
    for file in (folder / "flat").glob("*.arrow"):
        file.write_bytes(b"not arrow at all")
    (folder / "files" / "part.parquet").write_bytes(b"PAR1 not parquet")
    for path in ("flat", "files", "./gone", "/no/such"):
        with pytest.raises(DocumentError) as caught:
            read_documents(Documents(path=path, dataset={}, columns=COLUMNS), folder)
        assert "\n" not in str(caught.value)


def test_a_name_on_the_hub_without_a_network_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text(
        "out: out\naugment:\n  documents: {path: nobody/nothing, dataset: {split: train}}\n"
        "  engine: {kind: echo}\n  strategies: [verbatim]\n".replace("[verbatim]", "{verbatim: {}}")
    )
    command = [sys.executable, "-m", "augment.cli", "plan", str(file)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("error: dataset nobody/nothing cannot be read (")
