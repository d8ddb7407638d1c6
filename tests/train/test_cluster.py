"""`train run` on two workers of Ray Train: same losses as one process, one-line errors, an orderly end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import ray
from typer.testing import CliRunner

from tests.worlds import write_world
from train.cli import app

pytestmark = pytest.mark.slow  # Ray and its workers take some twenty seconds to start

METHODS: dict[str, Any] = {
    "memory": {"layers": [1], "num_keys": 16, "top_t": 50},
    "lora": {"rank": 2},
    "full": {"lr": 1e-3},
}
TWO = ["train.workers.number=2", "train.workers.shard=true"]


def settings(out: Path, *more: str) -> list[str]:
    """Overrides for a run of three methods, two batches a step, each batch a single note."""
    sets = [f"out={out}", f"train.methods={json.dumps(METHODS)}", 'train.objectives=["next_token"]', *more]
    sets += ["train.batches_per_step=2", "train.data.tokens_per_batch=40"]
    return [word for text in sets for word in ("--set", text)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    return write_world(tmp_path_factory.mktemp("cluster"), tiny_model)


@pytest.fixture
def out(world: Path, tmp_path: Path) -> Path:
    """An output folder with the notes."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes").symlink_to(world.parent / "out" / "notes")
    return tmp_path / "out"


@pytest.fixture(autouse=True, scope="module")
def ending_ray() -> object:
    yield
    ray.shutdown()


def losses(run: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_two_workers_train_what_one_process_trains(world: Path, out: Path, tmp_path: Path) -> None:
    other = tmp_path / "one"
    other.mkdir()
    (other / "notes").symlink_to(out / "notes")
    for folder, more in ((other, []), (out, TWO)):
        done = CliRunner().invoke(app, ["run", str(world), *settings(folder, *more)])
        assert done.exit_code == 0, done.output + str(done.exception)
    assert "memory: " in done.output and " tokens in " in done.output
    for name in METHODS:
        one, two = other / "train" / name, out / "train" / name
        assert losses(two) == pytest.approx(losses(one), rel=2e-4)
        mine, theirs = (json.loads((run / "checkpoint" / "run.json").read_text()) for run in (two, one))
        assert mine.keys() == theirs.keys() and mine["tokens_trained"] == theirs["tokens_trained"]
        assert mine["trainable_parameters"] == theirs["trainable_parameters"]
        assert not (two / "states").exists()
    assert not (out / "train" / ".ray").exists()
    again = CliRunner().invoke(app, ["run", str(world), *settings(out, *TWO)])
    assert again.output.count("trained before, kept") == 3


def test_a_worker_s_error_is_one_line(world: Path, out: Path) -> None:
    bad = ['train.methods={"lora": {"rank": 2, "lr": 1e30}}', *TWO]
    done = CliRunner().invoke(app, ["run", str(world), *settings(out), *[w for text in bad for w in ("--set", text)]])
    assert done.exit_code == 2 and "the loss is nan at step" in done.output and "Traceback" not in done.output


def test_more_workers_than_the_cluster_holds_are_one_line(world: Path, out: Path) -> None:
    more = ["train.workers.number=4000", "train.batches_per_step=4000"]
    done = CliRunner().invoke(app, ["run", str(world), *settings(out), *[w for text in more for w in ("--set", text)]])
    assert done.exit_code == 2 and "4000 workers want 4000 CPUs" in done.output


def test_sigterm_saves_the_run_and_the_same_command_goes_on(world: Path, out: Path) -> None:
    sets = settings(out, *TWO, 'train.methods={"lora": {"rank": 2}}', "train.epochs=30")
    command = [sys.executable, "-m", "train.cli", "run", str(world), *sets]
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root})
    log = out / "train" / "lora" / "metrics.jsonl"
    while not log.is_file() or len(log.read_text().splitlines()) < 3:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 2 and process.stderr is not None
    assert "as asked; the same command goes on from there" in process.stderr.read()
    (state,) = (out / "train" / "lora" / "states").glob("step-*")
    done = int(state.name.removeprefix("step-"))
    again = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": root})
    assert again.returncode == 0, again.stderr
    assert len(log.read_text().splitlines()) > done
