"""Trains the runs of a file on several workers of Ray Train: data parallel, over gloo on CPUs and nccl on GPUs.

The workers share a file system with this process, or have a copy of what it reads; the main one writes the runs.
"""

import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from augment.errors import IngrainError, RunError
from augment.ray_start import start_ray
from train.config import TrainFile, Workers
from train.peers import Peers
from train.resume import END, STATES
from train.stage import Say, Stage
from train.training import train_all

RAY_FOLDER = ".ray"  # what Ray Train wants to keep; gone when the runs are trained


def train_on_workers(stage: Stage, say: Say) -> None:
    """`train_all` by as many workers as the file asks for. Raises the error of a worker, or RunError when one died."""
    start_ray()
    workers = stage.settings.train.workers
    check_cluster(workers)
    from ray.train import RunConfig, ScalingConfig, TrainingFailedError
    from ray.train.torch import TorchTrainer
    from ray.util.queue import Queue

    lines = Queue(actor_options={"num_cpus": 0})
    resources = {"CPU": 1.0} | ({"GPU": workers.gpus} if workers.gpus else {})
    storage = (stage.runs / RAY_FOLDER).resolve()
    trainer = TorchTrainer(
        work,
        train_loop_config={"settings": absolute(stage.settings), "base": stage.base.resolve(), "lines": lines},
        scaling_config=ScalingConfig(
            num_workers=workers.number, use_gpu=workers.gpus > 0, resources_per_worker=resources
        ),
        run_config=RunConfig(name="train", storage_path=str(storage)),
    )
    try:
        with printing(lines, say), ending_on_sigterm(stage):
            trainer.fit()
    except TrainingFailedError as error:
        raise explain(error) from None
    finally:
        lines.shutdown()
        shutil.rmtree(storage, ignore_errors=True)


def work(config: dict[str, Any]) -> None:
    """What each worker does: all runs, together with the others."""
    from ray.train import get_context

    context, settings = get_context(), config["settings"]
    peers = Peers(context.get_world_rank(), context.get_world_size(), settings.train.workers.shard)
    say: Say = config["lines"].put if peers.is_main else drop
    train_all(Stage(settings, config["base"], peers=peers), say)


def drop(text: str) -> None:
    """Say nothing: the main worker does."""


def absolute(settings: TrainFile) -> TrainFile:
    """The settings with an output folder that means the same to a process that runs elsewhere."""
    return settings.model_copy(update={"out": str(Path(settings.out).resolve())})


def check_cluster(workers: Workers) -> None:
    """Raises RunError when the cluster could never hold the workers: Ray would wait for ever."""
    import ray

    there, gpus = ray.cluster_resources(), workers.gpus * workers.number
    if there.get("CPU", 0) < workers.number or there.get("GPU", 0) < gpus:
        what = f"{workers.number} workers want {workers.number} CPUs and {gpus:g} GPUs"
        has = f"Ray sees {there.get('CPU', 0):g} and {there.get('GPU', 0):g}"
        raise RunError(f"{what}; {has}", "lower train.workers, or join a cluster that has them")


@contextmanager
def printing(lines: Any, say: Say) -> Iterator[None]:
    """Within it what the main worker says is printed here."""

    def follow() -> None:
        while (text := lines.get()) is not None:
            say(text)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        lines.put(None)
        thread.join()


@contextmanager
def ending_on_sigterm(stage: Stage) -> Iterator[None]:
    """Within it SIGTERM makes the workers save the run that they are at, and end."""
    marks = [stage.folder(cell) / STATES / END for cell in stage.cells if cell.trains]

    def ask(*_: object) -> None:
        for mark in marks:
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()

    for mark in marks:
        mark.unlink(missing_ok=True)
    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        for mark in marks:
            mark.unlink(missing_ok=True)


def explain(error: Any) -> IngrainError:
    """The error that a worker raised for the user where there is one; else that one died."""
    failures = list(getattr(error, "worker_failures", {}).values())
    for failure in failures:
        cause = getattr(failure, "_base_exc", failure)
        if isinstance(cause, IngrainError):
            return cause
    last = str(failures[0] if failures else error).strip().splitlines()[-1][:200]
    return RunError(f"a worker died ({last})", "the same command goes on from the last saved state")
