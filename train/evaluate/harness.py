"""Runs tasks of lm-evaluation-harness on a loaded model; the one door to that package."""

import logging
import math
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from augment.errors import ConfigError
from train.model import Loaded, holds_bf16

SUFFIXES = (".yaml", ".yml")
NAME = "ingrain"  # what the package calls our runs
BOOTSTRAP_DRAWS = 1000  # for the standard errors of metrics that have no formula for it


def check_tasks(tasks: Sequence[str], base: Path) -> None:
    """Raises ConfigError before any work: the package is missing, or a task file is."""
    if tasks and find_spec("lm_eval") is None:
        what = "evaluate.lm_eval names tasks, and lm-evaluation-harness is not installed"
        raise ConfigError(what, "pip install 'ingrain[lm-eval]', or set evaluate.lm_eval to []")
    for task in tasks:
        if task.endswith(SUFFIXES) and not (base / task).is_file():
            raise ConfigError(f"evaluate.lm_eval: no file {base / task}", "paths are relative to the pipeline file")


def run_tasks(loaded: Loaded, tasks: Sequence[str], base: Path, batch_size: int) -> list[dict[str, Any]]:
    """Each metric of each task: `task`, `metric`, `value`, `stderr` (None where there is none) and `n`.

    A task is a name that the package knows, or a YAML file of its form relative to `base`; data files that such a file
    names are relative to the current folder, as the package has it. Raises ConfigError for a name it does not know.
    """
    if not tasks:
        return []
    from lm_eval.evaluator import simple_evaluate

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    manager, names = find_tasks(tasks, base)
    model = wrap_model(loaded, batch_size)
    results = simple_evaluate(
        model, tasks=names, task_manager=manager, log_samples=False, bootstrap_iters=BOOTSTRAP_DRAWS
    )
    return list(list_scores(results))


def wrap_model(loaded: Loaded, batch_size: int) -> Any:
    """A loaded model as one of the package's."""
    from lm_eval.models.huggingface import HFLM

    return HFLM(loaded.network, **settings_of(loaded, batch_size))


def settings_of(loaded: Loaded, batch_size: int | str) -> dict[str, Any]:
    """How the package is to call a loaded model."""
    dtype = "bfloat16" if holds_bf16(loaded.network) else None
    return {"tokenizer": loaded.tokenizer, "batch_size": batch_size, "mixed_precision_dtype": dtype}


def register_runs() -> None:
    """Make runs known to the package as the model `ingrain`, with `run=FOLDER` as its argument."""
    from lm_eval.api.registry import register_model
    from lm_eval.models.huggingface import HFLM

    from train.checkpoint import load_run

    class IngrainRun(HFLM):  # type: ignore[misc]
        """A finetuned run, whatever its method."""

        def __init__(self, run: str, batch_size: int | str = 1, **options: Any) -> None:
            loaded, _ = load_run(Path(run))
            options.pop("device", None)  # it is where it was loaded
            super().__init__(loaded.network, **options | settings_of(loaded, batch_size))

    register_model(NAME)(IngrainRun)


def find_tasks(tasks: Sequence[str], base: Path) -> tuple[Any, list[str]]:
    """The package's index of tasks, and the names and absolute paths to look up in it; its own are read if needed."""
    from lm_eval.tasks import TaskManager

    named = [task for task in tasks if not task.endswith(SUFFIXES)]
    manager = TaskManager(include_defaults=bool(named))
    if unknown := [name for name in named if name not in manager.all_tasks]:
        raise ConfigError(f"evaluate.lm_eval: no task {unknown[0]!r}", "see `lm-eval ls tasks`, or give a YAML file")
    return manager, [task if task in named else str((base / task).resolve()) for task in tasks]


def list_scores(results: Any) -> Iterator[dict[str, Any]]:
    """The package's table of results in rows; a metric's key is `name,filter`. One that is no number is left out."""
    for task, figures in results["results"].items():
        n = results.get("n-samples", {}).get(task, {}).get("effective", 0)
        for key, value in figures.items():
            metric, _, kind = key.partition(",")
            if not kind or metric.endswith("_stderr") or not is_number(value):
                continue
            error = figures.get(f"{metric}_stderr,{kind}")
            name = metric if kind == "none" else f"{metric} ({kind})"
            stderr = float(error) if is_number(error) else None
            yield {"task": task, "metric": name, "value": float(value), "stderr": stderr, "n": n}


def is_number(value: object) -> bool:
    """Whether this is a finite number."""
    return isinstance(value, int | float) and math.isfinite(value)
