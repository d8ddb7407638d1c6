"""`augment run` killed with all its processes thirty times at random points loses and doubles nothing."""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import datasets
import psutil
import pytest

import augment
from augment.arrow import read_table
from augment.config import AugmentFile
from augment.plan import iterate_units, make_plan
from augment.settings import load_settings
from augment.shards import SPLITS, STAGING, staged_pieces

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

NUM_KILLS = 30
MARK = "INGRAIN_KILL_TEST"
START_TIMEOUT_SEC = 300
PIPELINE = """\
out: out
augment:
  documents: {path: docs}
  engine: {kind: echo, delay_sec: 0.3, actors: 2}
  strategies: {verbatim: {}, paraphrase: {rounds: 400}}
  units_per_shard: 2
"""


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """A mark that every process of the run inherits, and a short folder for Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp", ignore_cleanup_errors=True) as folder:
        root = str(Path(augment.__file__).parent.parent)
        marked = {**os.environ, MARK: uuid.uuid4().hex, "PYTHONPATH": root, "RAY_TMPDIR": folder}
        yield marked
        kill_marked(marked[MARK])


def kill_marked(mark: str) -> int:
    """SIGKILL to every process that carries the mark, until there is none; how many there were."""
    killed = 0
    while family := [process for process in psutil.process_iter() if carries(process, mark)]:
        killed += len(family)
        for process in family:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(family, timeout=10)
    return killed


def carries(process: psutil.Process, mark: str) -> bool:
    """Whether the process was started with the mark in its environment and still runs."""
    try:
        return process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def wait_for_units(process: subprocess.Popen[bytes], out: Path, started: float) -> None:
    """Until this process has written down its first units, or has ended."""
    end = time.monotonic() + START_TIMEOUT_SEC
    while process.poll() is None:
        assert time.monotonic() < end, "no unit was done"
        if (path := out / "generation.json").is_file():
            numbers = json.loads(path.read_text())
            if numbers["updated"] > started and numbers["units"]:
                return
        time.sleep(0.05)


def count_units(notes: Path) -> Counter[str]:
    """Rows by unit, as `datasets` reads the folder in both ways; every unit has one row here."""
    if not (notes / "train" / "state.json").exists():
        return Counter()
    from_disk = datasets.load_from_disk(str(notes))
    listed = Counter(unit for split in SPLITS for unit in from_disk[split]["unit_id"])
    streamed = datasets.load_dataset(str(notes), streaming=True)
    found = Counter(row["unit_id"] for split in SPLITS for row in streamed[split])
    assert listed <= found and set(found.values()) <= {1}
    return listed


def staged_units(notes: Path) -> set[str]:
    """Units in whole pieces that wait for a commit: safe although no shard holds them."""
    names = staged_pieces(notes) if notes.exists() else []
    return {unit for n in names for unit in read_table(notes / STAGING / n)["unit_id"].to_pylist()}


def test_thirty_kills_lose_and_double_nothing(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    for i in range(30):
        text = f"# Town {i}\n\nThe town number {i} lies at the head of a shallow bay, with meadows to the west.\n"
        (tmp_path / "docs" / f"{i}.md").write_text(text)
    plan = make_plan(load_settings(tmp_path / "pipeline.yaml", [], AugmentFile), tmp_path)
    planned = Counter(unit.id for units in iterate_units(plan) for unit in units)
    command = [sys.executable, "-m", "augment.cli", "run", "pipeline.yaml"]
    draw, out, safe = random.Random(3), tmp_path / "out", set[str]()
    growth = []
    for kill in range(NUM_KILLS):
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
        if kill % 5:
            wait_for_units(process, out, time.time())
            time.sleep(draw.uniform(0, 1.5))
        else:
            time.sleep(draw.uniform(0, 8))
        assert process.poll() is None, "the run ended before it was killed: give it more to do"
        assert kill_marked(environment[MARK]) > 0
        process.wait()
        committed = count_units(out / "notes")
        now = set(committed) | staged_units(out / "notes")
        assert set(committed.values()) <= {1} and safe <= now <= set(planned)
        growth.append(len(now) - len(safe))
        safe = now
    assert sum(number > 0 for number in growth) > NUM_KILLS // 2, growth

    last = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert f"{len(safe)} units were finished before" in last.stdout
    assert count_units(out / "notes") == planned
