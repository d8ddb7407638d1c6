"""Lets others see a run while it trains: the terminal, and the trackers that the file names."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from augment.errors import EndedError
from train.evaluate.watch import CURVE
from train.grid import Cell
from train.loop import METRICS, Show
from train.progress import shown_steps
from train.resume import STATES, flatten
from train.stage import Say, Stage
from train.tracking.base import Tracker
from train.tracking.event_files import EventFiles
from train.tracking.follow import Follower
from train.tracking.mlflow_store import MlflowStore

EVENTS = "tensorboard"


@contextmanager
def observed_steps(stage: Stage, cell: Cell, say: Say) -> Iterator[Show]:
    """What to call after each step of a run; nothing comes of it but in the process that writes the log."""
    if not stage.peers.is_main:
        yield lambda *_: None
        return
    folder = stage.folder(cell)
    if not any((folder / STATES).glob("**/step-*")):
        (folder / CURVE).unlink(missing_ok=True)  # that of an earlier run in this folder
    with ExitStack() as stack:
        show = stack.enter_context(shown_steps(cell.name, folder, say))
        follower = stack.enter_context(followed(stage, cell)) if stage.settings.train.tracking else None

        def after_step(step: int, num_steps: int, loss: float, speed: float) -> None:
            if follower:
                follower.after_step(step)
            show(step, num_steps, loss, speed)

        yield after_step


@contextmanager
def followed(stage: Stage, cell: Cell) -> Iterator[Follower]:
    """Gives a run's figures to the trackers of the file, and tells them how it ended."""
    follower = Follower(list_logs(stage, cell), stage.folder(cell) / CURVE, list(make_trackers(stage, cell)))
    try:
        yield follower
    except (EndedError, KeyboardInterrupt):
        follower.close("KILLED")
        raise
    except BaseException:
        follower.close("FAILED")
        raise
    follower.close("FINISHED")


def list_logs(stage: Stage, cell: Cell) -> list[Path]:
    """The logs that a run writes, in their order."""
    folder, num_groups = stage.folder(cell), stage.settings.train.tasks
    names = [f"metrics-{group + 1:03d}.jsonl" for group in range(num_groups)] or [METRICS]
    return [folder / name for name in names]


def make_trackers(stage: Stage, cell: Cell) -> Iterator[Tracker]:
    """The trackers that the file names."""
    chosen = stage.settings.train.tracking
    if "tensorboard" in chosen:
        yield EventFiles(stage.folder(cell) / EVENTS)
    if "mlflow" in chosen:
        experiment, params = Path(stage.settings.out).resolve().name, flatten(stage.inputs(cell))
        yield MlflowStore(stage.runs, experiment, cell.name, params)
