"""Saves what a method learned as safetensors beside its settings, and loads it into a base model again."""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from augment.errors import DatasetError
from train.methods.base import Method
from train.methods.options import OPTIONS
from train.methods.registry import start_method
from train.model import Loaded, load_model
from train.resume import sync

CHECKPOINT, RECORD, STAGING = "checkpoint", "run.json", ".checkpoint-"


@dataclass(frozen=True, slots=True)
class Run:
    """What a saved run says of itself. `method` is the same for all seeds, `settings` are the method's options."""

    name: str
    method: str
    seed: int
    model: str
    model_revision: str
    settings: dict[str, Any]
    tokens_trained: int
    train_sec: float
    trainable_parameters: int
    loss: float


def save_run(folder: Path, run: Run, method: Method) -> None:
    """Write the run's `checkpoint` folder whole or not at all; the record is written last."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{STAGING}*"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=folder))
    try:
        method.save(staging)
        record = {name: getattr(run, name) for name in Run.__slots__}
        (staging / RECORD).write_text(json.dumps(record, indent=2), encoding="utf-8")
        staging.chmod(0o755)
        sync(staging)
        shutil.rmtree(folder / CHECKPOINT, ignore_errors=True)
        os.replace(staging, folder / CHECKPOINT)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def read_run(folder: Path) -> Run:
    """The record of a saved run; raises DatasetError when there is none."""
    path = folder / CHECKPOINT / RECORD
    if not path.is_file():
        raise DatasetError(f"{folder} holds no finished run", "train it first: `train run FILE`")
    try:
        return Run(**json.loads(path.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, TypeError) as error:
        raise DatasetError(f"{path} is broken ({error})", "delete the run's folder and train again") from None


def load_run(folder: Path) -> tuple[Loaded, Run]:
    """The base model with what the run learned. Refuses a base of another revision and damaged weights."""
    run = read_run(folder)
    loaded = load_model(run.model)
    if loaded.folder.revision != run.model_revision:
        what = f"{folder} was trained on {run.model} revision {run.model_revision}, here is {loaded.folder.revision}"
        raise DatasetError(what, "load the same base model or train again")
    options: Any = OPTIONS[run.settings["kind"]].model_validate(run.settings)
    method = start_method(loaded.network, options, run.seed)
    try:
        method.load(folder / CHECKPOINT)
    except (SafetensorError, KeyError, RuntimeError, OSError) as error:
        what = f"{folder / CHECKPOINT} cannot be loaded ({str(error).splitlines()[0][:100]})"
        raise DatasetError(what, "delete the run's folder and train again") from None
    loaded.network = method.network
    return loaded, run
