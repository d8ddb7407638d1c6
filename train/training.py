"""The stage `train run`: notes to runs. A run whose checkpoint has the same inputs is kept."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from filelock import FileLock, Timeout

from augment.json_file import write_json
from augment.models import find_model
from augment.settings import save_settings
from train.checkpoint import Run, save_run
from train.data import Corpus, group_by_tokens, pad
from train.evaluate.watch import Watcher
from train.grid import Cell
from train.loop import METRICS, WEIGHTS_TO_LOWER, Show, Trained, train_method
from train.memory.background import load_background
from train.memory.patch import applied_patches
from train.methods.base import Method
from train.methods.memory import MemoryMethod
from train.methods.options import MemoryOptions, Options, TrainedOptions
from train.methods.prefix import PrefixMethod
from train.methods.registry import start_method
from train.model import Loaded, load_model
from train.observe import observed_steps
from train.out_of_memory import naming_what_to_lower
from train.recurring import mark_recurring
from train.resume import STATES, Keeper
from train.shared_background import fit_once
from train.stage import Say, Stage, dataset_fingerprint
from train.stream import STREAM, summarise_stream, train_stream
from train.teacher import teach
from train.tracking.base import check_packages

INPUTS, TEACHER = "inputs.json", "teacher.arrow"


def train_all(stage: Stage, say: Say) -> None:
    """Train every run of the file that there is not yet; with peers, all of them call this."""
    begin(stage)
    cells = [cell for cell in stage.cells if cell.trains]
    if not cells:
        say("no method of the file trains: `train evaluate` asks them as they are")
    for cell in cells:
        train_cell(stage, cell, say)


def begin(stage: Stage) -> None:
    """Write the settings beside the runs.

    Before that, raises ConfigError when there is no method, or no package that they need; DatasetError without notes;
    ModelError without the model.
    """
    check_packages(stage.settings.train.tracking)
    if any(cell.trains for cell in stage.cells):
        dataset_fingerprint(stage.notes)
        find_model(stage.settings.model)
    with stage.peers.main_first():
        save_settings(stage.settings, stage.runs / "train.yaml")


def train_cell(stage: Stage, cell: Cell, say: Say) -> None:
    """Train one run, unless another process is at it."""
    with claim(stage, cell) as is_ours:
        if is_ours:
            train_unless_there(stage, cell, say)
        else:
            say(f"{cell.name}: another process trains it")


@contextmanager
def claim(stage: Stage, cell: Cell) -> Iterator[bool]:
    """Whether this process may work on a run: several `train run` of one file share its runs out among themselves."""
    lock = FileLock(stage.runs / f".{cell.name}.lock")
    try:
        if stage.peers.is_main:
            lock.acquire(timeout=0)
    except Timeout:
        yield stage.peers.agree(False)
        return
    try:
        yield stage.peers.agree(True)
    finally:
        lock.release(force=True)


def train_unless_there(stage: Stage, cell: Cell, say: Say) -> None:
    """Train a run unless it is there, made of the same inputs."""
    peers, marker, inputs = stage.peers, stage.folder(cell) / INPUTS, stage.inputs(cell)
    if peers.agree(marker.is_file() and json.loads(marker.read_text(encoding="utf-8")) == inputs):
        say(f"{cell.name}: trained before, kept")
        return
    train_one(stage, cell, say)
    if peers.is_main:
        write_json(inputs, marker)


def train_one(stage: Stage, cell: Cell, say: Say) -> None:
    """Train one run from the base model and save it; one that was killed goes on from its latest state."""
    settings, folder = stage.settings, stage.folder(cell)
    assert isinstance(cell.options, TrainedOptions)
    with naming_what_to_lower("while the model was loaded", f"take a smaller model than {settings.model}"):
        loaded = load_model(settings.model, settings.train.bf16)
    corpus = marked(taught_corpus(stage, cell, loaded, say), cell.options)
    check_mix(cell, corpus, say)
    with naming_what_to_lower(f"while {cell.name} was set up", WEIGHTS_TO_LOWER):
        method = start_method(loaded.network, cell.options, cell.seed, stage.peers)
    prepare(stage, loaded, method, corpus)
    loaded.network = method.network
    folder.mkdir(parents=True, exist_ok=True)
    if stage.peers.is_main:  # only now: settings that cannot be trained leave an earlier run as it is
        for old in (INPUTS, "evaluation.json"):
            (folder / old).unlink(missing_ok=True)
    train, inputs = settings.train, stage.inputs(cell)
    keeper = Keeper(folder / STATES, inputs, train.checkpoint_every, train.keep, method.peers)
    with keeper.ending_on_signals(), observed_steps(stage, cell, say) as show:
        trained = run_course(stage, cell, loaded, method, corpus, keeper, show)
    method.collect()
    if stage.peers.is_main:
        save_run(folder, describe_run(stage, cell, loaded, method, trained), method)
    keeper.forget()
    say(f"{cell.name}: {trained.tokens:,} tokens in {trained.seconds:.0f} s, loss {trained.loss:.3f}")
    if train.tasks and stage.peers.is_main:
        say(f"{cell.name}: {summarise_stream(folder / STREAM)}")


def run_course(
    stage: Stage,
    cell: Cell,
    loaded: Loaded,
    method: Method,
    corpus: Corpus,
    keeper: Keeper,
    show: Show,
) -> Trained:
    """Train on all documents at once, or on groups of them one after another."""
    train = stage.settings.train
    options = train.model_copy(update={"data": train.data.model_copy(update={"replay_share": cell.replay_share})})
    if train.tasks:
        return train_stream(stage, cell, loaded, method, corpus, options, keeper, show)
    watcher = Watcher(stage, loaded, train.watch, stage.folder(cell)) if train.watch else None
    return train_method(
        method.network,
        method,
        corpus,
        options,
        cell.seed,
        stage.folder(cell) / METRICS,
        show,
        mix=cell.mix,
        keeper=keeper,
        is_enough=watcher,
        states=stage.states,
    )


def taught_corpus(stage: Stage, cell: Cell, loaded: Loaded, say: Say) -> Corpus:
    """The corpus, with what the teacher finds likeliest where that is learned; it is asked once for all runs."""
    corpus, name = stage.corpus(loaded, cell.objective), f"taught {cell.objective}"
    learns_replay = cell.replay_share and stage.settings.train.data.replay_objective == "distill"
    if cell.objective == "next_token" and not learns_replay:
        return corpus
    if name not in stage.corpora:
        if corpus.num_foreign:
            whose = "of another model or tokenizer, not used"
            say(f"{cell.name}: {corpus.num_foreign} notes bring log-probabilities {whose}")
        say(f"{cell.name}: asking the teacher")
        taught = ask_teacher(stage, loaded, corpus if cell.objective == "distill" else replace(corpus, notes=[]))
        stage.corpora[name] = taught if cell.objective == "distill" else replace(corpus, replay=taught.replay)
    return stage.corpora[name]


def ask_teacher(stage: Stage, loaded: Loaded, corpus: Corpus) -> Corpus:
    """The corpus with targets for all of its notes and replay."""
    train, file = stage.settings.train, stage.runs / TEACHER
    todo = "lower train.data.tokens_per_batch or train.distill.max_tokens"
    with stage.peers.main_first(), naming_what_to_lower("while the teacher was asked", todo):
        return teach(corpus, loaded, stage.passages, train.distill, file, train.data.tokens_per_batch)


def marked(corpus: Corpus, options: Options) -> Corpus:
    """The corpus, with marks on what recurs where the method asks for them: they take memory in a large one."""
    if isinstance(options, MemoryOptions) and options.write_at == "recurring":
        return replace(corpus, notes=mark_recurring(corpus.notes))
    return corpus


def check_mix(cell: Cell, corpus: Corpus, say: Say) -> None:
    """Say which strategies of a mix the dataset has no note of."""
    there = {note.strategy for note in corpus.notes}
    for name in sorted((cell.mix or {}).keys() - there):
        say(f"{cell.name}: the mix names {name}, and no kept note is of it; there are {', '.join(sorted(there))}")


def prepare(stage: Stage, loaded: Loaded, method: Method, corpus: Corpus) -> None:
    """What some methods want to see before they train."""
    if isinstance(method, PrefixMethod):
        method.fit(corpus.notes)
    if isinstance(method, MemoryMethod):
        prepare_memory(stage, loaded, method, corpus)
        method.description |= describe_usage(method)


def describe_usage(method: MemoryMethod) -> dict[str, str]:
    """How evenly each layer's slots are read by the background, for the files of keys and patches."""
    found = {index: memory.pool.usage() for index, memory in method.memories.items()}
    return {
        "slots_used": ", ".join(f"layer {index}: {used:.3f}" for index, (used, _) in found.items()),
        "reads_of_top_1_percent": ", ".join(f"layer {index}: {top:.3f}" for index, (_, top) in found.items()),
    }


def prepare_memory(stage: Stage, loaded: Loaded, method: MemoryMethod, corpus: Corpus) -> None:
    """Fit the memories to background and notes, or read that from the file of an earlier run."""
    options, tokens_per_batch = method.options, stage.settings.train.data.tokens_per_batch
    shape = ("layers", "num_keys", "heads", "k", "half_key_size")
    belongs = {"model_revision": loaded.folder.revision} | {name: str(getattr(options, name)) for name in shape}
    method.description = belongs | {"model": loaded.folder.name}
    for folder in options.protect:
        method.protect(applied_patches(stage.base / folder))
    if options.background:
        load_background(method.memories, stage.base / options.background, belongs)
        return
    passages, questions = stage.background(loaded)
    notes = [pad(group) for group in group_by_tokens(corpus.notes, tokens_per_batch)]
    placed = notes if options.keys == "notes" else []
    method.description |= {
        "background_tokens": str(sum(batch.num_tokens() for batch in [*passages, *questions])),
        "tokens_per_batch": str(tokens_per_batch),
    }
    with naming_what_to_lower("while the background was read", "lower train.data.tokens_per_batch"):
        fit_once(stage.runs, loaded, method, passages, questions, placed)


def describe_run(stage: Stage, cell: Cell, loaded: Loaded, method: Method, trained: Trained) -> Run:
    """The record of a finished run."""
    return Run(
        name=cell.name,
        method=cell.label,
        seed=cell.seed,
        model=stage.settings.model,
        model_revision=loaded.folder.revision,
        settings=cell.options.model_dump(mode="json"),
        tokens_trained=trained.tokens,
        train_sec=trained.seconds,
        trainable_parameters=method.num_trainable(),
        loss=trained.loss,
    )
