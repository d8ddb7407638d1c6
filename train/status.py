"""Says how far the runs of a folder are, while they train and after; only their files are read."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from augment.errors import DatasetError
from train.checkpoint import CHECKPOINT, RECORD

STALE_SEC = 600.0  # a run that wrote nothing for so long is taken for dead


@dataclass(frozen=True, slots=True)
class RunStatus:
    """One run's files in figures. `recall` is that of held-out questions at the last time they were asked."""

    name: str
    state: str
    step: int = 0
    num_steps: int = 0
    loss: float | None = None
    tokens_per_sec: float | None = None
    left_sec: float | None = None
    recall: float | None = None


def read_status(out: Path) -> list[RunStatus]:
    """Status of each run below `out`, or of the run whose folder `out` is. Raises DatasetError when there is none."""
    below = [path for part in ("train", "sweep") for path in sorted((out / part).glob("*"))]
    folders = [out] if is_run(out) else [path for path in below if is_run(path)]
    if not folders:
        raise DatasetError(f"{out} holds no run", "give the `out` folder of a pipeline that `train run` was started on")
    return [read_run_status(folder) for folder in folders]


def is_run(folder: Path) -> bool:
    """Whether something was trained here."""
    return any(folder.glob("metrics*.jsonl"))


def read_run_status(folder: Path) -> RunStatus:
    """What the run's files say."""
    logs = sorted(folder.glob("metrics*.jsonl"), key=lambda path: path.stat().st_mtime)
    last = last_line(logs[-1])
    finished = (folder / CHECKPOINT / RECORD).is_file() and (folder / "inputs.json").is_file()
    age = time.time() - logs[-1].stat().st_mtime
    state = "finished" if finished else "training" if age < STALE_SEC else f"stopped {age / 60:.0f} min ago"
    if not last:
        return RunStatus(folder.name, state)
    speed = last["tokens"] / max(last["seconds"], 1e-9)
    left = last["seconds"] / last["step"] * (last["num_steps"] - last["step"])
    steps = (last["step"], last["num_steps"])
    return RunStatus(folder.name, state, *steps, last["loss"], speed, None if finished else left, read_recall(folder))


def read_recall(folder: Path) -> float | None:
    """Recall of held-out questions at the last time they were asked; None before, and of a run that is not watched."""
    recall: float | None = last_line(folder / "curve.jsonl").get("recall", {}).get("held_out")
    return recall


def last_line(path: Path) -> dict[str, Any]:
    """The last whole line of a JSON lines file; empty when there is none. A line may be half-written."""
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []
    return dict(json.loads(lines[-1])) if lines else {}


def print_status(runs: list[RunStatus], console: Console) -> None:
    """One row a run."""
    table = Table("run", "state", "step", "loss", "tokens/s", "left", "held-out recall")
    for run in runs:
        table.add_row(
            run.name,
            run.state,
            f"{run.step} of {run.num_steps}",
            show(run.loss, ".3f"),
            show(run.tokens_per_sec, ".0f"),
            show(run.left_sec, ".0f", " s"),
            show(run.recall, ".1%"),
        )
    console.print(table)


def show(value: float | None, form: str, unit: str = "") -> str:
    """A figure, or a dash where there is none."""
    return "–" if value is None else f"{value:{form}}{unit}"
