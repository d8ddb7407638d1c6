"""The dataset of notes opens with every loader, and a killed writer loses and doubles nothing."""

import math
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest

from augment.arrow import read_table
from augment.digests import Digests, pack_ids
from augment.errors import DatasetError
from augment.schema import SCHEMA, Row
from augment.shards import SPLITS, STAGING, finished_units, listed_shards, read_rows, stage_rows, staged_pieces
from augment.store import GROWTH, NoteStore, keep_all
from tests.rows import blank_row

TOKENS, TOPS, SCORES = SCHEMA.field("token_ids").type, SCHEMA.field("top_ids").type, SCHEMA.field("top_logprobs").type

LOOP = """
import sys
from pathlib import Path
from augment.commit import open_store
from augment.digests import pack_ids
from augment.filters.base import Filters
from augment.shards import SCHEMA, finished_units, stage_rows
def make_row(i, verdict="kept"):
    kinds = {"string": f"text {i}", "int64": i, "float": i}
    row = {f.name: kinds.get(str(f.type), []) for f in SCHEMA}
    return row | {"unit_id": f"{i:032x}", "note_id": f"u{i} {verdict}", "verdict": verdict, "reason": ""}
store = open_store(Path(sys.argv[1]), Filters())
done = finished_units(store.folder)
print("ready", flush=True)
pieces = []
for i in range(int(sys.argv[2])):
    if not done.contains(pack_ids([f"{i:032x}"]))[0]:
        pieces.append(stage_rows(store.folder, [make_row(i), make_row(i, "rejected")]))
        if len(pieces) == 3:
            store.commit(*pieces)
            pieces = []
store.commit(*pieces)
"""


def unit_id(i: int) -> str:
    return f"{i:032x}"


def digests(*numbers: int) -> Digests:
    found = Digests()
    found.add(pack_ids([unit_id(i) for i in numbers]))
    return found


def finished(folder: Path) -> list[int]:
    return [i for i in range(20) if finished_units(folder).contains(pack_ids([unit_id(i)]))[0]]


def make_row(i: int, verdict: str = "kept") -> Row:
    values = {
        pa.string(): f"text {i}",
        pa.int64(): i,
        pa.float32(): i / 2,
        TOKENS: [i, 7],
        TOPS: [[i, 8], [7]],
        SCORES: [[-0.5, -2.0], [-1.5]],
    }
    row: Row = {f.name: values[f.type] for f in SCHEMA}
    reason = "" if verdict == "kept" else "copy"
    return row | {"unit_id": unit_id(i), "note_id": f"u{i} {verdict}", "verdict": verdict, "reason": reason}


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
        options: dict[str, Any] = {"cache_dir": str(tmp_path / "cache"), "streaming": not numbers}
        from_disk = datasets.load_from_disk(str(folder))
        from_folder = datasets.load_dataset(str(folder), **options)
        files = {s: [str(folder / s / n) for n in listed_shards(folder, s)] for s in SPLITS}
        from_arrow = datasets.load_dataset("arrow", data_files=files, **options)
        for split in SPLITS:
            expected = by_note(read_rows(folder, split))
            for loaded in (from_disk, from_folder, from_arrow):
                assert by_note(loaded[split]) == expected
                assert loaded[split].features.arrow_schema.remove_metadata() == SCHEMA
    assert [r["unit_id"] for r in read_rows(folder, "train")] == [unit_id(i) for i in (1, 2, 3)]


def test_the_cache_of_datasets_serves_no_other_folder_and_no_older_state(tmp_path: Path) -> None:
    def loaded(store: NoteStore) -> list[str]:
        rows = datasets.load_dataset(str(store.folder), cache_dir=str(tmp_path / "cache"))["train"]
        return sorted(row["unit_id"] for row in rows)

    first, second = NoteStore(tmp_path / "a" / "notes"), NoteStore(tmp_path / "b" / "notes")
    commit(first, 1)
    commit(second, 2)
    assert (loaded(first), loaded(second)) == ([unit_id(1)], [unit_id(2)])
    commit(first, 3)
    assert loaded(first) == [unit_id(1), unit_id(3)]
    assert loaded(NoteStore(first.folder)) == loaded(first) and loaded(second) == [unit_id(2)]
    first.supersede(digests(1))
    assert loaded(first) == [unit_id(3)]


def test_a_card_that_a_killed_writer_left_behind_is_brought_up_to_the_shards(tmp_path: Path) -> None:
    store = NoteStore(tmp_path / "notes")
    card = store.folder / "README.md"
    commit(store, 1)
    old = card.read_text()
    commit(store, 2)
    new = card.read_text()
    card.write_text(old)
    NoteStore(store.folder)
    assert card.read_text() == new != old
    card.unlink()
    NoteStore(store.folder)
    assert card.read_text() == new


def test_a_shard_without_rows_of_one_kind_keeps_its_types(tmp_path: Path) -> None:
    store = NoteStore(tmp_path / "notes")
    store.commit(stage_rows(store.folder, [make_row(1)]))
    loaded = datasets.load_from_disk(str(store.folder))
    assert (len(loaded["train"]), len(loaded["rejected"])) == (1, 0)


def test_opening_and_recovering_commits_what_was_staged_once_and_removes_what_was_half_written(tmp_path: Path) -> None:
    store = NoteStore(tmp_path / "notes")
    commit(store, 1)
    for i in (1, 2, 2, 3):  # a retried block stages its units twice; 1 was committed before its piece was removed
        stage_rows(store.folder, [make_row(i), make_row(i, "rejected")])
    half = store.write_pair([read_table(store.folder / "train" / store.names[-1])])
    (store.folder / STAGING / ".piece-half.arrow").write_bytes(b"half")
    again = NoteStore(store.folder)
    assert finished(store.folder) == [1] and len(staged_pieces(store.folder)) == 4
    again.recover(keep_all)
    assert half not in again.names and finished(store.folder) == [1, 2, 3]
    assert not list((store.folder / STAGING).iterdir())
    for split in SPLITS:
        assert sorted(p.name for p in (store.folder / split).glob("*.arrow")) == sorted(again.names)
        assert sorted(r["unit_id"] for r in read_rows(store.folder, split)) == [unit_id(i) for i in (1, 2, 3)]


def test_superseding_moves_rows_and_keeps_the_rest(tmp_path: Path) -> None:
    store = NoteStore(tmp_path / "notes")
    commit(store, 1, 2)
    commit(store, 3)
    assert store.supersede(digests(2)) == 1
    assert store.supersede(digests(2)) == 0
    assert finished(store.folder) == [1, 3]
    assert NoteStore(store.folder).num_rows == store.num_rows == 6
    assert sorted(r["unit_id"] for r in read_rows(store.folder, "train")) == [unit_id(1), unit_id(3)]
    reasons = sorted((int(r["unit_id"], 16), r["reason"]) for r in read_rows(store.folder, "rejected"))
    assert reasons == [(1, "copy"), (2, "superseded"), (2, "superseded"), (3, "copy")]


def test_the_number_of_shards_grows_with_the_logarithm_of_the_rows(tmp_path: Path) -> None:
    store = NoteStore(tmp_path / "notes")
    pieces: list[str] = []
    for i in range(200):
        pieces.append(stage_rows(store.folder, [make_row(i)]))
        if len(pieces) >= store.commit_size():
            store.commit(*pieces)
            pieces = []
    store.commit(*pieces)
    assert [r["start"] for r in read_rows(store.folder, "train")] == list(range(200))
    assert len(store.names) < 2 + GROWTH * (2 + math.log(200 / GROWTH))


@pytest.mark.parametrize("split", SPLITS)
def test_a_shard_of_which_a_half_was_deleted_counts_no_more_and_its_units_are_to_be_done(
    tmp_path: Path, split: str
) -> None:
    store = NoteStore(tmp_path / "notes")
    commit(store, 1, 2)
    commit(store, 3)
    (store.folder / split / store.names[1]).unlink()
    (store.folder / split / store.names[0]).unlink()
    with pytest.raises(DatasetError, match=r"is missing; run augment again"):
        finished(store.folder)
    again = NoteStore(store.folder)
    assert again.num_lost == 1 and finished(store.folder) == [3] and again.num_rows == 2
    loaded = datasets.load_from_disk(str(store.folder))
    assert loaded["train"]["unit_id"][:] == loaded["rejected"]["unit_id"][:] == [unit_id(3)]
    assert NoteStore(store.folder).num_lost == 0


def test_missing_and_broken_datasets_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="run `augment run` first"):
        listed_shards(tmp_path, "train")
    store = NoteStore(tmp_path / "notes")
    info = store.folder / "train" / "dataset_info.json"
    whole = info.read_text()
    info.write_text(whole.replace('"reason"', '"why"'))
    with pytest.raises(DatasetError, match="was written with other columns"):
        NoteStore(store.folder)
    info.write_text(whole[:9])
    with pytest.raises(DatasetError, match=r"dataset_info.json is broken"):
        NoteStore(store.folder)
    info.write_text(whole)
    shutil.copytree(store.folder / "rejected", tmp_path / "rejected")
    shutil.rmtree(store.folder / "rejected")
    with pytest.raises(DatasetError, match="is broken"):
        NoteStore(store.folder)
    shutil.copytree(tmp_path / "rejected", store.folder / "rejected")
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
        assert len(datasets.load_from_disk(str(folder))["train"]) == len(committed)
        before = set(committed)
    assert 0 < len(before) < num_units
    subprocess.run([*command[:-1], f"{len(before) + 5}"], check=True, stdout=subprocess.DEVNULL)
    for split in SPLITS:
        units = [r["unit_id"] for r in read_rows(folder, split)]
        assert sorted(units) == sorted(unit_id(i) for i in range(len(before) + 5))
    assert len(datasets.load_from_disk(str(folder))["train"]) == len(before) + 5


def test_a_dataset_of_an_older_version_is_one_line(tmp_path: Path) -> None:
    store = NoteStore(tmp_path / "notes")
    store.commit(stage_rows(store.folder, [blank_row() | {"verdict": "kept"}]))
    with pytest.raises(DatasetError, match=r"has no column colour: an older version wrote it"):
        list(read_rows(store.folder, "train", ["text", "colour"]))
