"""The base model's evaluation: what all others are compared to, made once for the same questions and text."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from augment.errors import DatasetError
from augment.json_file import write_json
from augment.models import find_model
from augment.precision import dtype_name
from augment.records import content_id
from train.checkpoint import CHECKPOINT, Run
from train.evaluate.cache import cache_path, read_cached, write_cached
from train.evaluate.choices import make_choices
from train.evaluate.fluency import list_openings, measure_fluency
from train.evaluate.free import make_free
from train.evaluate.harness import check_tasks, run_tasks
from train.evaluate.locality import outputs_of, read_locality
from train.evaluate.measure import Exam, examine, examine_further, known_ids
from train.evaluate.offline import check_vllm, open_writer
from train.evaluate.probes import FindContext, no_context, read_probes
from train.evaluate.questions import read_facts
from train.evaluate.writer import NetworkWriter, Writer
from train.grid import BASE
from train.memory.patch import read_order
from train.methods.memory import PATCHES
from train.model import Loaded, load_model
from train.stage import Say, Stage

RECORD = "evaluation.json"


def known_set(stage: Stage, say: Say) -> set[str]:
    """Ids of the general questions that the base model answers; it is asked where it was not.

    Raises ConfigError first when something is wanted that is not installed or cannot be.
    """
    check_tasks(stage.settings.evaluate.lm_eval, stage.base)
    if stage.settings.evaluate.vllm:
        check_vllm(stage.cells)
    path = stage.runs / BASE / RECORD
    with stage.peers.main_first():
        if stale(path, stage):
            evaluate_base(stage, path, say)
    return known_ids(read_base(stage)["answers"])


def read_base(stage: Stage) -> dict[str, Any]:
    """The record of the base model's evaluation."""
    record: dict[str, Any] = json.loads((stage.runs / BASE / RECORD).read_text(encoding="utf-8"))
    return record


def evaluate_base(stage: Stage, path: Path, say: Say) -> None:
    """Ask the base model, or take over what it answered to the same questions before."""
    folder = find_model(stage.settings.model)
    run = Run(BASE, "none", stage.settings.seed, stage.settings.model, folder.revision, {}, 0, 0.0, 0, 0.0)
    kept = cache_of(stage, folder.revision)
    figures = read_cached(kept) if kept else None
    if figures is not None:
        say("base: these questions were asked before, its answers are kept")
    else:
        say("base: evaluating")
        figures = examine_fully(stage, load_model(stage.settings.model), folder.path, None, no_context)
        if kept:
            write_cached(kept, figures)
    write_record(stage, run, path, figures)


def cache_of(stage: Stage, revision: str) -> Path | None:
    """Where the base's figures are kept; None with tasks of lm-evaluation-harness, whose data may change."""
    import torch

    if stage.settings.evaluate.lm_eval:
        return None
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu {dtype_name(on_gpu=False)}"
    data = stage.settings.train.data
    options = stage.settings.evaluate.model_dump(mode="json", exclude={"judge", "facts", "known", "locality"})
    cuts = [data.max_length, data.tokens_per_batch]
    return cache_path(revision, device, hash_questions(stage), json.dumps([options, cuts], sort_keys=True))


def make_exam(stage: Stage, loaded: Loaded) -> Exam:
    """What every model of this file is asked."""
    options, documents = stage.settings.evaluate, stage.trained_documents()
    facts = read_facts(options.facts, stage.base, documents)
    return Exam(
        probes=read_probes(options, stage.base, documents),
        held_out=stage.held_out(loaded),
        options=options,
        choices=make_choices(facts, options.num_choices),
        free=make_free(facts) if options.free_tokens else [],
        neighbours=read_locality(options, stage.base),
    )


def write_evaluation(
    stage: Stage, loaded: Loaded, run: Run, path: Path, known: set[str], find_context: FindContext = no_context
) -> None:
    """Examine a model and write the record of it."""
    weights = path.parent / CHECKPOINT if find_context is no_context else loaded.folder.path
    write_record(stage, run, path, examine_fully(stage, loaded, weights, known, find_context))


def write_record(stage: Stage, run: Run, path: Path, figures: dict[str, Any]) -> None:
    """Write what was measured of a run, with what it depends on."""
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
    stage: Stage, loaded: Loaded, weights: Path, known: set[str] | None, find_context: FindContext
) -> dict[str, Any]:
    """All figures of a finished run, also those that are too dear to be taken after each epoch.

    `weights` is the folder that vLLM loads where it writes. Raises DatasetError when the base knows nothing.
    """
    options, trained = stage.settings.evaluate, known is not None and find_context is no_context
    base = (stage.reference.network if trained else loaded.network) if options.kl else None
    exam = make_exam(stage, loaded)
    outputs = None if known is None else outputs_of(read_base(stage)["answers"])
    with open_writer_of(stage, loaded, weights) as writer:
        figures = examine(loaded, exam, known, find_context, base, writer)
        if not figures["retention"]:
            raise DatasetError("the base model answers no general question", "give easier ones in evaluate.known")
        further = examine_further(writer, loaded, exam, outputs, find_context)
        openings = list_openings(exam.probes, stage.held_out_texts(), options.open_texts)
        figures["open"] = measure_fluency(writer, openings, options)
    tasks = options.lm_eval if known is None or trained else []  # they know nothing of a context
    figures["lm_eval"] = run_tasks(loaded, tasks, stage.base, options.batch_size)
    figures["answers"] += further.pop("answers")
    figures["learning"] |= further.pop("learning")
    return figures | further


@contextmanager
def open_writer_of(stage: Stage, loaded: Loaded, weights: Path) -> Iterator[Writer]:
    """What writes the answers: the network, or vLLM where the file wants it."""
    options = stage.settings.evaluate
    if not options.vllm:
        yield NetworkWriter(loaded, options.batch_size)
        return
    on_gpu = loaded.device.type == "cuda"
    with open_writer(weights, loaded.folder.path, loaded.tokenizer, on_gpu, stage.settings.seed) as writer:
        yield writer


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
        "evaluate": stage.settings.evaluate.model_dump(mode="json", exclude={"judge"}),
        "questions": hash_questions(stage),
        "documents": stage.trained_documents(),
        "passages": [data.passages, data.num_background, data.max_length, data.tokens_per_batch],
        "model": stage.settings.model,
        "patches": list_patches(patches) if patches.is_dir() else [],
        "options": [options.model_dump(mode="json") for options in untrained],
    }


def list_patches(folder: Path) -> list[Any]:
    """The applied patches: the name of each, with its scale where that is not 1."""
    return [e.name if e.scale == 1 else [e.name, e.scale] for e in read_order(folder) if e.applied]


def hash_questions(stage: Stage) -> str:
    """Hash of all questions, answers and held-out texts as they stand in their files now."""
    if "questions" not in stage.hashes:
        options, documents = stage.settings.evaluate, stage.trained_documents()
        probes = [*read_probes(options, stage.base, documents), *read_locality(options, stage.base)]
        facts = read_facts(options.facts, stage.base, documents)
        asked = json.dumps([[probe.as_json() for probe in probes], [fact["choices"] for fact in facts]])
        stage.hashes["questions"] = content_id(asked, json.dumps(stage.held_out_texts()))
    return stage.hashes["questions"]
