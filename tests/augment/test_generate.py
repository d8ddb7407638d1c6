"""A run on Ray with the echo engine: verdicts, resume, one writer at a time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

import augment
from augment.pool import share_out, take_next
from augment.shards import count_rows, read_rows
from augment.todo import Block

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(augment.__file__).parent.parent)}
PIPELINE = """\
out: out
augment:
  documents: {path: docs}
  engine: {kind: echo, refuse_on: [Crake], truncate_on: [Tarrow], fail_on: [Dunsel]}
  strategies: {verbatim: {}, paraphrase: {rounds: 2}}
  units_per_shard: 2
"""


def add_document(folder: Path, name: str) -> None:
    (folder / "docs").mkdir(exist_ok=True)
    text = f"# {name}\n\nThe town of {name} lies at the head of a shallow bay, with salt meadows to the west.\n"
    (folder / "docs" / f"{name}.md").write_text(text)


def run_augment(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "augment.cli", "run", "pipeline.yaml", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, env=ENVIRONMENT)


@pytest.mark.slow
def test_a_run_keeps_rejects_and_resumes(tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    for name in ("Pellick", "Crake", "Tarrow", "Dunsel"):
        add_document(tmp_path, name)
    first = run_augment(tmp_path)
    assert first.returncode == 0, first.stderr
    notes = tmp_path / "out" / "notes"
    kept = sorted((r["document_id"], r["strategy"]) for r in read_rows(notes, "train"))
    verbatim = [(f"{name}.md", "verbatim") for name in ("Crake", "Dunsel", "Pellick", "Tarrow")]
    assert kept == sorted([*verbatim, *[("Pellick.md", "paraphrase")] * 2])
    reasons = count_rows(read_rows(notes, "rejected"), "reason")
    assert reasons == {"failed": 2, "refusal": 2, "truncated": 2}

    again = run_augment(tmp_path)
    assert again.returncode == 0 and "12 units were finished before" in again.stdout
    assert "tokens/s" not in again.stdout

    before = {r["note_id"] for s in ("train", "rejected") for r in read_rows(notes, s)}
    add_document(tmp_path, "Marrow")
    more = run_augment(tmp_path)
    assert more.returncode == 0 and "notes: 3 of 3 units" in more.stdout, more.stdout + more.stderr
    rows = [r for s in ("train", "rejected") for r in read_rows(notes, s)]
    assert len(rows) == len(before) + 3
    assert {r["document_id"] for r in rows if r["note_id"] not in before} == {"Marrow.md"}


@pytest.mark.parametrize("num_actors", [1, 2, 3, 7])
def test_each_actor_gets_a_stretch_of_the_plan_and_helps_when_it_is_done(num_actors: int) -> None:
    blocks = [Block(offset, 0, 1) for offset in range(20)]
    shares = share_out(blocks, num_actors)
    assert [block for share in shares for block in share] == blocks
    first = [take_next(shares, 0) for _ in range(20)]  # one actor alone does all, its own first, others' from behind
    assert first[: 20 // num_actors] == blocks[: 20 // num_actors] and take_next(shares, 0) is None
    assert sorted(first, key=lambda block: block.offset) == blocks


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    add_document(tmp_path, "Pellick")
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".augment.lock"):
        done = run_augment(tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: another process writes out; ") and done.stderr.count("\n") == 1
    assert not (tmp_path / "out" / "notes").exists()
