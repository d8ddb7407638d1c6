"""TensorBoard's event files and MLflow's store hold what metrics.jsonl and curve.jsonl say, killed runs included."""

import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tensorboardX.crc32c import crc32c
from tensorboardX.proto.event_pb2 import Event
from typer.testing import CliRunner

from tests.worlds import invoke, write_world
from train.cli import app
from train.observe import EVENTS
from train.tracking.follow import Follower
from train.tracking.mlflow_store import STORE

CHOSEN = ["--set", "train.methods={lora: {rank: 2}}", "--set", "train.objectives=[next_token]"]
CHOSEN += ["--set", "train.tracking=[tensorboard, mlflow]"]
OFFLINE = """
import pathlib, socket, sys
def refuse(self, address): pathlib.Path(sys.argv[1]).write_text(str(address)); raise OSError(101, "no network here")
socket.socket.connect = refuse
from train.cli import app
app(sys.argv[2:])
"""
Series = dict[str, dict[int, list[float]]]  # values by name and step


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    return write_world(tmp_path_factory.mktemp("tracking"), tiny_model)


def read_records(path: Path) -> Iterator[bytes]:
    """The records of a TFRecord file: length, its checksum, data, its checksum."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        record = data[at + 12 : at + 12 + length]
        checksum = crc32c(record)
        masked = ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF
        assert struct.unpack_from("<I", data, at + 12 + length) == (masked,)
        yield record
        at += 16 + length


def read_events(folder: Path) -> Series:
    series: Series = {}
    (path,) = (folder / EVENTS).iterdir()
    for event in map(Event.FromString, read_records(path)):
        for value in event.summary.value:
            series.setdefault(value.tag, {}).setdefault(event.step, []).append(value.simple_value)
    return series


def read_store(runs: Path, name: str) -> list[tuple[Any, Series]]:
    """Each MLflow run of this name, the latest first."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{runs / STORE}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = []
    for run in client.search_runs(experiments, f"attributes.run_name = '{name}'"):
        series: Series = {}
        for metric in run.data.metrics:
            for value in client.get_metric_history(run.info.run_id, metric):
                series.setdefault(metric, {}).setdefault(value.step, []).append(value.value)
        found.append((run, series))
    return found


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def expected(folder: Path) -> Series:
    """What the run's JSON lines say."""
    lines, series = read_lines(folder / "metrics.jsonl"), Series()
    assert [line["step"] for line in lines] == list(range(1, lines[0]["num_steps"] + 1))
    for line in lines:
        speed = line["tokens"] / line["seconds"]
        for name, value in (("loss", line["loss"]), ("scale", line["scale"]), ("tokens_per_sec", speed)):
            series.setdefault(name, {})[line["step"]] = [value]
    for point in read_lines(folder / "curve.jsonl") if (folder / "curve.jsonl").exists() else []:
        figures = {f"recall/{kind}": value for kind, value in point["recall"].items()}
        for name, value in (figures | {"kept": point["kept"], "nll": point["nll"]}).items():
            series.setdefault(name, {})[point["step"]] = [value]
    return series


def assert_same(ours: Series, theirs: Series, rel: float) -> None:
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert ours[name].keys() == theirs[name].keys(), name
        for step in ours[name]:
            assert ours[name][step] == pytest.approx(theirs[name][step], rel=rel), (name, step)


def test_a_watched_run_is_in_both_as_in_its_lines(world: Path, knowing: None) -> None:
    invoke("run", world, *CHOSEN, "--set", "train.watch={every_epochs: 1}", "--set", f"out={world.parent / 'out'}")
    runs = world.parent / "out" / "train"
    said = expected(runs / "lora")
    assert len(said["recall/held_out"]) == 2 and {"kept", "nll", "loss"} <= said.keys()
    assert_same(read_events(runs / "lora"), said, rel=1e-6)
    ((run, series),) = read_store(runs, "lora")
    assert_same(series, said, rel=1e-9)
    assert (run.info.status, run.data.params["options.rank"], run.data.params["train.epochs"]) == ("FINISHED", "2", "2")
    invoke("run", world, *CHOSEN, "--set", "train.epochs=1")  # other settings: another run in the same store
    assert [run.data.params["train.epochs"] for run, _ in read_store(runs, "lora")] == ["1", "2"]
    assert_same(read_events(runs / "lora"), expected(runs / "lora"), rel=1e-6)


@pytest.mark.slow
@pytest.mark.slow
def test_a_killed_run_goes_on_in_the_same_places_without_a_step_twice_or_a_word_to_anyone(
    world: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes").symlink_to(world.parent / "out" / "notes")
    long = ["--set", "train.epochs=70", "--set", "train.checkpoint_every=7", "--set", f"out={tmp_path / 'out'}"]
    called = tmp_path / "called"
    command = [sys.executable, "-c", OFFLINE, str(called), "run", str(world), *CHOSEN, *long]
    root = str(Path(__file__).parents[2])
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "CI", "GITHUB"))}
    process = subprocess.Popen(command, env=environment | {"PYTHONPATH": root, "HOME": str(tmp_path / "home")})
    log = tmp_path / "out" / "train" / "lora" / "metrics.jsonl"
    while not log.exists() or len(log.read_text().splitlines()) < 20:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() != 0
    ((before, _),) = read_store(log.parents[1], "lora")
    assert before.info.status == "RUNNING"
    invoke("run", world, *CHOSEN, *long)
    assert_same(read_events(log.parent), expected(log.parent), rel=1e-6)
    ((after, series),) = read_store(log.parents[1], "lora")
    assert (after.info.run_id, after.info.status) == (before.info.run_id, "FINISHED")
    said = expected(log.parent)
    for name in ("loss", "scale"):  # the steps that were done twice took another time
        assert_same({name: series[name]}, {name: said[name]}, rel=1e-9)
    assert {step: len(values) for step, values in series["tokens_per_sec"].items()} == dict.fromkeys(said["loss"], 1)
    assert not called.exists() and not list((tmp_path / "home").rglob("*mlflow*"))


class Recorder:
    """Remembers what it is given."""

    def __init__(self) -> None:
        self.given: list[tuple[int, list[str]]] = []
        self.taken_up: list[bool] = []
        self.state = ""

    def start(self, is_taken_up: bool) -> None:
        self.taken_up.append(is_taken_up)

    def log(self, step: int, seconds: float, figures: Mapping[str, float]) -> None:
        self.given.append((step, sorted(figures)))

    def close(self, state: str) -> None:
        self.state = state


def add_step(log: Path, step: int, end: str = "\n") -> None:
    line = {"step": step, "num_steps": 9, "loss": 1.0, "scale": 1.0, "tokens": 10 * step, "seconds": 0.5 * step}
    with log.open("a") as stream:
        stream.write(json.dumps(line) + end)


def test_points_of_steps_that_are_done_again_wait_for_their_step(tmp_path: Path) -> None:
    log, curve, recorder = tmp_path / "metrics.jsonl", tmp_path / "curve.jsonl", Recorder()
    point = {"recall": {"held_out": 0.5}, "kept": None, "nll": 2.0}
    curve.write_text("".join(json.dumps(point | {"step": step}) + "\n" for step in (2, 4)))
    follower = Follower([log], curve, [recorder])
    for step in (1, 2):
        add_step(log, step)
    steps, points = ["loss", "scale", "tokens_per_sec"], ["nll", "recall/held_out"]
    add_step(log, 3)
    follower.after_step(3)
    add_step(log, 4)
    follower.after_step(4)
    assert recorder.given == [(1, steps), (2, steps), (3, steps), (2, points), (4, steps)]
    follower.close("FINISHED")
    assert recorder.given[5:] == [(4, points)] and recorder.taken_up == [True] and recorder.state == "FINISHED"


def test_the_steps_of_a_stream_are_counted_on(tmp_path: Path) -> None:
    logs, recorder = [tmp_path / "metrics-001.jsonl", tmp_path / "metrics-002.jsonl"], Recorder()
    follower = Follower(logs, tmp_path / "curve.jsonl", [recorder])
    for log in logs:
        for step in (1, 2):
            add_step(log, step)
            follower.after_step(step)
    assert [step for step, _ in recorder.given] == [1, 2, 3, 4] and recorder.taken_up == [False]


@pytest.mark.parametrize(("tracker", "package"), [("tensorboard", "tensorboardX"), ("mlflow", "alembic")])
def test_a_missing_package_is_one_line_before_anything_is_trained(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tracker: str, package: str
) -> None:
    monkeypatch.setattr("train.tracking.base.find_spec", lambda name: None if name == package else object())
    chosen = ["--set", f"train.tracking=[{tracker}]", "--set", f"out={tmp_path / 'out'}"]
    done = CliRunner().invoke(app, ["run", str(world), *chosen])
    assert done.exit_code == 2 and done.stderr.count("\n") == 1 and not (tmp_path / "out").exists()
    assert f"the package {package} is not installed" in done.stderr and "ingrain[tracking]" in done.stderr


def test_a_broken_store_is_one_line(world: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "train").mkdir(parents=True)
    (tmp_path / "out" / "notes").symlink_to(world.parent / "out" / "notes")
    (tmp_path / "out" / "train" / STORE).write_text("no database " * 100)
    done = CliRunner().invoke(app, ["run", str(world), *CHOSEN, "--set", f"out={tmp_path / 'out'}"])
    assert done.exit_code == 2 and f"{STORE} cannot be used" in done.stderr and done.stderr.count("\n") == 1
