"""The stages of `train`: notes to runs, runs to evaluations, evaluations to a report. Each skips what is done."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augment.errors import ConfigError, DatasetError
from augment.settings import save_settings
from augment.shards import count_rows, read_rows, write_json
from train.checkpoint import CHECKPOINT, Run, load_run, read_run, save_run
from train.config import TrainFile
from train.data import Batch, Corpus, encode_windows, group_by_tokens, pad, read_corpus, read_lines
from train.evaluate.likelihood import measure_likelihood
from train.evaluate.probes import ask_probes, read_probes, retention, summarise
from train.loop import train_method
from train.memory.attach import fit_background
from train.memory.background import load_background
from train.memory.patch import applied_patches, read_order
from train.methods.memory import PATCHES, MemoryMethod
from train.methods.registry import start_method
from train.model import Loaded, load_model
from train.report import NoteCounts, headline_table, read_runs, write_report

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Stage:
    """A pipeline file and the folder its input paths are relative to."""

    settings: TrainFile
    base: Path

    @property
    def notes(self) -> Path:
        """The dataset that `augment` wrote."""
        return Path(self.settings.out) / "notes"

    @property
    def runs(self) -> Path:
        """Where the runs are."""
        return Path(self.settings.out) / "train"

    def methods(self) -> dict[str, Any]:
        """Options of the methods that the file names."""
        methods = self.settings.train.methods
        chosen = {n: o for n in type(methods).model_fields if (o := getattr(methods, n)) is not None}
        if not chosen:
            raise ConfigError("train.methods names no method", "add memory: {} or lora: {}")
        return chosen


def train_all(stage: Stage, say: Say) -> None:
    """Train every method on the same notes. A run whose checkpoint has the same settings is kept."""
    save_settings(stage.settings, stage.runs / "train.yaml")
    for name, options in stage.methods().items():
        fingerprint: dict[str, Any] = {
            "train": stage.settings.train.model_dump(mode="json", exclude={"methods", "cache_activations"})
        }
        fingerprint |= {"notes": dataset_fingerprint(stage.notes), "seed": stage.settings.seed}
        fingerprint |= {"options": options.model_dump(mode="json"), "model": stage.settings.model}
        marker = stage.runs / name / "inputs.json"
        if marker.is_file() and json.loads(marker.read_text(encoding="utf-8")) == fingerprint:
            say(f"{name}: trained before, kept")
            continue
        marker.unlink(missing_ok=True)
        (stage.runs / name / "evaluation.json").unlink(missing_ok=True)
        train_one(stage, name, options, say)
        write_json(fingerprint, marker)


def dataset_fingerprint(notes: Path) -> str:
    """What identifies the dataset's kept notes."""
    path = notes / "train" / "state.json"
    if not path.is_file():
        raise DatasetError(f"{notes} holds no dataset of notes", "run `augment run` on the same file first")
    return str(json.loads(path.read_text(encoding="utf-8"))["_fingerprint"])


def train_one(stage: Stage, name: str, options: Any, say: Say) -> None:
    """Train one method from the base model and save it."""
    settings = stage.settings
    loaded = load_model(settings.model, settings.train.bf16)
    corpus = read_corpus(stage.notes, stage.base, settings.train.data, loaded.tokenizer)
    method = start_method(loaded.network, options, settings.seed)
    if isinstance(method, MemoryMethod):
        prepare_memory(stage, loaded, method, corpus)
    folder = stage.runs / name
    folder.mkdir(parents=True, exist_ok=True)
    show = step_printer(name, say)
    trained = train_method(
        loaded.network, method, corpus, settings.train, settings.seed, folder / "metrics.jsonl", show
    )
    run = Run(
        name=name,
        method=name,
        seed=settings.seed,
        model=settings.model,
        model_revision=loaded.folder.revision,
        settings=options.model_dump(mode="json"),
        tokens_trained=trained.tokens,
        train_sec=trained.seconds,
        trainable_parameters=method.num_trainable(),
        loss=trained.loss,
    )
    save_run(folder, run, method)
    say(f"{name}: {trained.tokens:,} tokens in {trained.seconds:.0f} s, loss {trained.loss:.3f}")


def prepare_memory(stage: Stage, loaded: Loaded, method: MemoryMethod, corpus: Corpus) -> None:
    """Fit the memories to background and notes, or read that from the file of an earlier run."""
    options = method.options
    shape = ("layers", "num_keys", "heads", "k", "half_key_size")
    belongs = {"model_revision": loaded.folder.revision} | {name: str(getattr(options, name)) for name in shape}
    method.description = belongs | {"model": loaded.folder.name}
    for folder in options.protect:
        method.protect(applied_patches(stage.base / folder))
    if options.background:
        load_background(method.memories, stage.base / options.background, belongs)
        return
    passages, questions = background(stage, loaded)
    notes = [pad(group) for group in group_by_tokens(corpus.notes, stage.settings.train.data.tokens_per_batch)]
    placed = notes if options.keys == "notes" else []
    fit_background(loaded.network, method.memories, passages, questions, placed, options.null_score)
    method.description |= {
        "background_tokens": str(sum(batch.num_tokens() for batch in [*passages, *questions])),
        "tokens_per_batch": str(stage.settings.train.data.tokens_per_batch),
    }


def step_printer(name: str, say: Say, every_sec: float = 15.0) -> Callable[[int, int, float, float], None]:
    """Prints loss, speed and time left now and then."""
    last = [time.monotonic()]
    started = time.monotonic()

    def show(step: int, num_steps: int, loss: float, speed: float) -> None:
        now = time.monotonic()
        if now - last[0] >= every_sec:
            last[0] = now
            left = (now - started) / step * (num_steps - step)
            say(f"{name}: step {step} of {num_steps}, loss {loss:.3f}, {speed:.0f} tokens/s, {left:.0f} s left")

    return show


def background(stage: Stage, loaded: Loaded) -> tuple[list[Batch], list[Batch]]:
    """Batches of background passages and of background question-answer texts, of the training batch's size."""
    data = stage.settings.train.data
    passages = [p["text"] for p in read_lines(stage.base / data.passages, "text")[: data.num_background]]
    questions = read_lines(stage.base / data.questions, "question", "answer")
    pairs = [f"Question: {q['question']}\nAnswer: {q['answer']}" for q in questions]
    return batches_of(passages, stage, loaded), batches_of(pairs, stage, loaded)


def batches_of(texts: list[str], stage: Stage, loaded: Loaded) -> list[Batch]:
    """Texts as padded batches of about `tokens_per_batch`."""
    data = stage.settings.train.data
    windows = encode_windows(texts, loaded.tokenizer, data.max_length)
    return [pad(group) for group in group_by_tokens(windows, data.tokens_per_batch)]


def evaluate_all(stage: Stage, say: Say) -> None:
    """Evaluate the base model and every run of this file; each writes its `evaluation.json`."""
    names = list(stage.methods())
    for name in names:
        read_run(stage.runs / name)
    base = stage.runs / "base" / "evaluation.json"
    if stale(base, stage):
        say("base: evaluating")
        evaluate_one(stage, load_model(stage.settings.model), base_record(stage), base)
    for name in names:
        path = stage.runs / name / "evaluation.json"
        if stale(path, stage):
            say(f"{name}: evaluating")
            loaded, run = load_run(stage.runs / name)
            evaluate_one(stage, loaded, run, path)


def stale(path: Path, stage: Stage) -> bool:
    """Whether an evaluation is missing, or was made of other documents, questions, model or patches."""
    if not path.is_file():
        return True
    return bool(json.loads(path.read_text(encoding="utf-8")).get("inputs") != evaluation_inputs(stage, path.parent))


def evaluation_inputs(stage: Stage, run: Path) -> dict[str, Any]:
    """What an evaluation depends on besides the training."""
    data = stage.settings.train.data
    patches = run / CHECKPOINT / PATCHES
    return {
        "evaluate": stage.settings.evaluate.model_dump(mode="json"),
        "documents": trained_documents(stage),
        "passages": [data.passages, data.num_background],
        "model": stage.settings.model,
        "patches": [entry.name for entry in read_order(patches) if entry.applied] if patches.is_dir() else [],
    }


def trained_documents(stage: Stage) -> list[str]:
    """Ids of the documents that have a kept note."""
    return sorted(count_rows(read_rows(stage.notes, "train", ["document_id"]), "document_id"))


def base_record(stage: Stage) -> Run:
    """The base model as a run of the method `none`."""
    revision = load_model(stage.settings.model).folder.revision
    return Run("base", "none", stage.settings.seed, stage.settings.model, revision, {}, 0, 0.0, 0, 0.0)


def evaluate_one(stage: Stage, loaded: Loaded, run: Run, path: Path) -> None:
    """Ask every probe, measure general text, write the record."""
    records = ask_probes(
        loaded,
        read_probes(stage.settings.evaluate, stage.base, trained_documents(stage)),
        stage.settings.evaluate,
    )
    data = stage.settings.train.data
    held_out = [p["text"] for p in read_lines(stage.base / data.passages, "text")[data.num_background :]]
    if not held_out:
        raise DatasetError(f"{data.passages} has no passage after the first {data.num_background}", "add some")
    likelihood = measure_likelihood(loaded, batches_of(held_out, stage, loaded))
    known = {r["id"] for r in records if r["kind"] == "known" and r["em"]} if run.method == "none" else known_set(stage)
    if not known:
        raise DatasetError("the base model answers no general question", "give easier ones in evaluate.known")
    record = {
        "run": run.name,
        **{key: getattr(run, key) for key in ("method", "seed", "model", "model_revision", "settings")},
        **{key: getattr(run, key) for key in ("tokens_trained", "train_sec", "trainable_parameters")},
        "learning": summarise(records, ("cue", "held_out", "reversed")),
        "retention": retention(records, known),
        "general": {
            "nll": likelihood.nll,
            "perplexity": likelihood.perplexity,
            "num_tokens": likelihood.num_tokens,
        },
        "answers": records,
        "inputs": evaluation_inputs(stage, path.parent),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(record, path)


def known_set(stage: Stage) -> set[str]:
    """Ids of the general questions that the base model answers."""
    base = json.loads((stage.runs / "base" / "evaluation.json").read_text(encoding="utf-8"))
    return {r["id"] for r in base["answers"] if r["kind"] == "known" and r["em"]}


def report_all(stage: Stage, say: Say) -> Path:
    """Write the report of all runs, print its headline table, return the HTML's path."""
    wanted = {"base", *stage.methods()}
    runs = [run for run in read_runs(stage.runs) if run.run in wanted]
    kept = list(read_rows(stage.notes, "train", ["strategy", "completion_tokens", "model"]))
    counts = NoteCounts(
        kept=len(kept),
        rejected_by_reason=count_rows(read_rows(stage.notes, "rejected", ["reason"]), "reason"),
        kept_by_strategy=count_rows(kept, "strategy"),
        generator=next((row["model"] for row in kept if row["model"]), "echo"),
        tokens=sum(row["completion_tokens"] for row in kept),
    )
    paths = write_report(runs, Path(stage.settings.out) / "report", Path(stage.settings.out).name, counts)
    say(headline_table(runs))
    say(f"report: {paths.html.resolve()}")
    return paths.html
