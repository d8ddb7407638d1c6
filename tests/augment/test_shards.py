"""The dataset of notes opens with every loader, and a killed writer loses and doubles nothing."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import datasets
import pytest

from augment.errors import DatasetError
from augment.shards import SCHEMA, SPLITS, STAGING, NoteStore, Row, listed_shards, read_rows, stage_rows

LOOP = """
import sys
from pathlib import Path
from augment.shards import SCHEMA
from augment.shards import NoteStore, stage_rows
def make_row(i, verdict="kept"):
    row = {f.name: f"{f.name} {i}" if str(f.type) == "string" else i for f in SCHEMA}
    return row | {"unit_id": f"u{i}", "note_id": f"u{i} {verdict}", "verdict": verdict, "reason": ""}
store = NoteStore(Path(sys.argv[1]))
done = store.finished_units()
print("ready", flush=True)
for i in range(int(sys.argv[2])):
    if f"u{i}" not in done:
        store.commit(stage_rows(store.folder, [make_row(i), make_row(i, "rejected")]))
"""


def make_row(i: int, verdict: str = "kept") -> Row:
    row: Row = {f.name: f"{f.name} {i}" if str(f.type) == "string" else i for f in SCHEMA}
    reason = "" if verdict == "kept" else "copy"
    return row | {"unit_id": f"u{i}", "note_id": f"u{i} {verdict}", "verdict": verdict, "reason": reason}


def commit(store: NoteStore, *numbers: int) -> None:
    rows = [make_row(i, verdict) for i in numbers for verdict in ("kept", "rejected")]
    store.commit(stage_rows(store.folder, rows))


def by_note(rows: Any) -> list[Row]:
    return sorted((dict(row) for row in rows), key=lambda row: row["note_id"])


def test_every_loader_sees_the_same_rows_and_types(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    store = NoteStore(folder)
    for numbers in [(), (1, 2), (3,)]:
        if numbers:
            commit(store, *numbers)
        # `datasets` refuses to open a prepared cache of zero rows, of any files: empty ones are streamed.
        options: dict[str, Any] = {
            "cache_dir": str(tmp_path / f"cache{len(numbers)}"),
            "streaming": not numbers,
        }
        from_disk = datasets.load_from_disk(str(folder))
        from_folder = datasets.load_dataset(str(folder), **options)
        files = {s: [str(folder / s / n) for n in listed_shards(folder, s)] for s in SPLITS}
        from_arrow = datasets.load_dataset("arrow", data_files=files, **options)
        for split in SPLITS:
            expected = by_note(read_rows(folder, split))
            for loaded in (from_disk, from_folder, from_arrow):
                assert by_note(loaded[split]) == expected
                types = {field.name: field.type for field in loaded[split].features.arrow_schema}
                assert types == {field.name: field.type for field in SCHEMA}
    assert [r["unit_id"] for r in read_rows(folder, "train")] == ["u1", "u2", "u3"]


def test_a_shard_without_rows_of_one_kind_keeps_its_types(tmp_path: Path) -> None:
    store = NoteStore(tmp_path / "notes")
    store.commit(stage_rows(store.folder, [make_row(1)]))
    loaded = datasets.load_from_disk(str(store.folder))
    assert (len(loaded["train"]), len(loaded["rejected"])) == (1, 0)


def test_opening_removes_what_was_not_committed(tmp_path: Path) -> None:
    store = NoteStore(tmp_path / "notes")
    commit(store, 1)
    stage_rows(store.folder, [make_row(2)])
    half = stage_rows(store.folder, [make_row(3)])
    for split in SPLITS:
        (store.folder / STAGING / f"{split}-{half}").rename(store.folder / split / half)
    again = NoteStore(store.folder)
    assert again.finished_units() == {"u1"}
    assert not list((store.folder / STAGING).iterdir())
    for split in SPLITS:
        assert sorted(p.name for p in (store.folder / split).glob("*.arrow")) == sorted(again.names)


def test_superseding_moves_rows_and_keeps_the_rest(tmp_path: Path) -> None:
    store = NoteStore(tmp_path / "notes")
    commit(store, 1, 2)
    commit(store, 3)
    assert store.supersede({"u1", "u3"}) == 1
    assert store.supersede({"u1", "u3"}) == 0
    assert store.finished_units() == {"u1", "u3"} == NoteStore(store.folder).finished_units()
    assert sorted(r["unit_id"] for r in read_rows(store.folder, "train")) == ["u1", "u3"]
    reasons = sorted((r["unit_id"], r["reason"]) for r in read_rows(store.folder, "rejected"))
    assert reasons == [("u1", "copy"), ("u2", "superseded"), ("u2", "superseded"), ("u3", "copy")]


def test_missing_and_broken_datasets_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="run `augment run` first"):
        listed_shards(tmp_path, "train")
    store = NoteStore(tmp_path / "notes")
    (store.folder / "train" / store.names[0]).write_bytes(b"half")
    with pytest.raises(DatasetError, match="not a whole shard"):
        list(read_rows(store.folder, "train"))


def test_kill_minus_9_loses_and_doubles_nothing(tmp_path: Path) -> None:
    folder, draw, num_units = tmp_path / "notes", random.Random(7), 400
    command = [sys.executable, "-c", LOOP, str(folder), f"{num_units}"]
    before: set[str] = set()
    for _ in range(12):
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(draw.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        committed = [r["unit_id"] for r in read_rows(folder, "train")]  # readable before any repair
        assert len(committed) == len(set(committed)) and before <= set(committed)
        before = set(committed)
    assert 0 < len(before) < num_units
    subprocess.run([*command[:-1], f"{len(before) + 5}"], check=True, stdout=subprocess.DEVNULL)
    for split in SPLITS:
        units = [r["unit_id"] for r in read_rows(folder, split)]
        assert sorted(units) == sorted(f"u{i}" for i in range(len(before) + 5))
    assert len(datasets.load_from_disk(str(folder))["train"]) == len(before) + 5
