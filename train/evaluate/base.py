"""The base model's evaluation: what all others are compared to, made once for the same questions and text."""

import json
import os
from pathlib import Path
from typing import Any

from augment.errors import DatasetError
from augment.shards import write_json
from train.checkpoint import CHECKPOINT, Run
from train.evaluate.fluency import list_openings, measure_fluency
from train.evaluate.harness import check_tasks, run_tasks
from train.evaluate.measure import Exam, examine, known_ids
from train.evaluate.probes import FindContext, no_context, read_probes
from train.grid import BASE
from train.memory.patch import read_order
from train.methods.memory import PATCHES
from train.model import Loaded, load_model
from train.stage import Say, Stage

RECORD = "evaluation.json"


def known_set(stage: Stage, say: Say) -> set[str]:
    """Ids of the general questions that the base model answers; it is asked where it was not.

    Raises ConfigError first when tasks of lm-evaluation-harness are wanted and cannot be run.
    """
    check_tasks(stage.settings.evaluate.lm_eval, stage.base)
    path = stage.runs / BASE / RECORD
    with stage.peers.main_first():
        if stale(path, stage):
            say("base: evaluating")
            evaluate_base(stage, path)
    return known_ids(json.loads(path.read_text(encoding="utf-8"))["answers"])


def evaluate_base(stage: Stage, path: Path) -> None:
    """Ask the base model."""
    loaded = load_model(stage.settings.model)
    run = Run(BASE, "none", stage.settings.seed, stage.settings.model, loaded.folder.revision, {}, 0, 0.0, 0, 0.0)
    write_evaluation(stage, loaded, run, path, None)


def make_exam(stage: Stage, loaded: Loaded) -> Exam:
    """What every model of this file is asked."""
    options = stage.settings.evaluate
    return Exam(read_probes(options, stage.base, stage.trained_documents()), stage.held_out(loaded), options)


def write_evaluation(
    stage: Stage, loaded: Loaded, run: Run, path: Path, known: set[str] | None, find_context: FindContext = no_context
) -> None:
    """Examine a model and write the record of it."""
    figures = examine_fully(stage, loaded, make_exam(stage, loaded), known, find_context)
    record = {
        "run": run.name,
        **{key: getattr(run, key) for key in ("method", "seed", "model", "model_revision", "settings")},
        **{key: getattr(run, key) for key in ("tokens_trained", "train_sec", "trainable_parameters")},
        **figures,
        "inputs": evaluation_inputs(stage, path.parent),
        "pipeline_folder": os.path.relpath(stage.base, path.parent),  # where the settings' paths begin
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(record, path)


def examine_fully(
    stage: Stage, loaded: Loaded, exam: Exam, known: set[str] | None, find_context: FindContext
) -> dict[str, Any]:
    """All figures of a finished run, also those that are too dear to be taken after each epoch.

    Raises DatasetError when the base knows nothing.
    """
    options, trained = stage.settings.evaluate, known is not None and find_context is no_context
    base = (stage.reference.network if trained else loaded.network) if options.kl else None
    figures = examine(loaded, exam, known, find_context, base)
    if not figures["retention"]:
        raise DatasetError("the base model answers no general question", "give easier ones in evaluate.known")
    openings = list_openings(exam.probes, stage.held_out_texts(), options.open_texts)
    tasks = options.lm_eval if known is None or trained else []  # they know nothing of a context
    scores = run_tasks(loaded, tasks, stage.base, options.batch_size)
    return figures | {"open": measure_fluency(loaded, openings, options), "lm_eval": scores}


def stale(path: Path, stage: Stage) -> bool:
    """Whether an evaluation is missing, or was made of other documents, questions, model or patches."""
    if not path.is_file():
        return True
    return bool(json.loads(path.read_text(encoding="utf-8")).get("inputs") != evaluation_inputs(stage, path.parent))


def evaluation_inputs(stage: Stage, run: Path) -> dict[str, Any]:
    """What an evaluation depends on besides the training."""
    data = stage.settings.train.data
    patches = run / CHECKPOINT / PATCHES
    untrained = [cell.options for cell in stage.cells if cell.name == run.name and not cell.trains]
    return {
        "evaluate": stage.settings.evaluate.model_dump(mode="json"),
        "documents": stage.trained_documents(),
        "passages": [data.passages, data.num_background],
        "model": stage.settings.model,
        "patches": [entry.name for entry in read_order(patches) if entry.applied] if patches.is_dir() else [],
        "options": [options.model_dump(mode="json") for options in untrained],
    }
