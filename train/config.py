"""The `train:` and `evaluate:` parts of a pipeline file."""

from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    SerializeAsAny,
    WrapValidator,
    model_validator,
)

from augment.config import read_engine
from augment.documents.settings import Documents, HubDataset
from augment.engines.base import EngineSettings
from augment.models import EMBEDDED
from augment.settings import Settings
from train.methods.options import Methods, Objective

T = TypeVar("T")


def check_different(values: list[T]) -> list[T]:
    """Raise ValueError for values that would make the same run twice."""
    if len(set(values)) < len(values):
        raise ValueError("a value is there twice")
    return values


def check_replay(value: Any) -> Any:
    """Raise ValueError for a word that names no replay."""
    if isinstance(value, str) and value != "questions":
        raise ValueError("give `questions`, or a source as {path: FILE}")
    return value


Axis = Annotated[list[T], AfterValidator(check_different)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]  # a part of a run's folder


class Data(Settings):
    """Texts besides the notes: JSON lines, relative to the pipeline file.

    `passages` (`text`): the first `num_background` are background and replay, the others are held out.
    `questions` (`question`, `answer`): background only, disjoint from the known set.
    `answers_only`: of a question note, only the answer is learned; of all others, every token.
    `replay_share`: tokens of replay for each token of notes; they come on top.
    `mix_tokens`: about so many tokens of notes in an epoch, the same for every mix: its weights are scaled to that.
    `replay_from`: what is replayed instead of the background passages: `questions` for those above, or named as
    documents are: files, or a dataset by name; the first 1,000 texts where it says no `limit`.
    `replay_objective`: learn the replayed tokens, or (`distill`) what the base model finds likely in their place.
    `packing`: whether a batch holds notes of one document, or of any.
    `join_notes`: join notes into sequences of up to `max_length` tokens, each of which sees those before it.
    """

    passages: str
    questions: str
    num_background: int = Field(default=80, ge=1)
    replay_share: float = Field(default=0.1, ge=0, le=10)
    mix_tokens: int | None = Field(default=None, ge=1)
    replay_from: Annotated[Documents | Literal["questions"] | None, BeforeValidator(check_replay)] = None
    replay_objective: Objective = "next_token"
    packing: Literal["document", "shuffled"] = "document"
    join_notes: bool = False
    answers_only: bool = True
    max_length: int = Field(default=256, ge=8)
    tokens_per_batch: int = Field(default=1024, ge=16)


class Distill(Settings):
    """Context distillation (Snell et al. 2209.15189): the teacher is the base model with the note's chunk before it.

    `top_k`: how many of the teacher's likeliest tokens the student learns at each place; the rest is one number.
    `max_tokens`: a longer chunk is cut. `preamble`: what the teacher reads before every chunk, as examples of notes.
    """

    top_k: int = Field(default=20, ge=1, le=1000)
    max_tokens: int = Field(default=512, ge=8)
    preamble: str = ""


class Watch(Settings):
    """Asks all questions while a method trains, each `every_epochs` and after the steps `at_steps` (from 1), which say
    how a method begins; held-out recall `stop_at_recall` ends the run.
    """

    every_epochs: int = Field(default=1, ge=1)
    at_steps: Annotated[list[PositiveInt], AfterValidator(check_different)] = Field(default=[])
    stop_at_recall: float | None = Field(default=None, gt=0, le=1)


class Workers(Settings):
    """Processes that train one run together, through Ray Train; 1: this process, without Ray.

    `number`: a step's batches go round over so many. `gpus`: GPUs of each. `shard`: `full` splits its weights over them
    (FSDP2) and `memory` its value table, where they do not fit one; the other methods are small enough.
    `batches_per_step` must be a multiple of `number`.
    """

    number: int = Field(default=1, ge=1)
    gpus: float = Field(default=0, ge=0)
    shard: bool = False


class Train(Settings):
    """How notes are written into weights: every method sees the same tokens in the same order.

    `objectives`, `mixes`, `replay_shares` and `seeds` are the axes of a grid: each method is run with each of theirs,
    but for the objectives of a method that has an `objective` of its own.
    `mixes`: by name, how often an epoch sees a note of each strategy (1.5: all once, half of them twice); strategies
    that a mix does not name are left out. Without axes: all notes once, `data.replay_share`, the file's seed.
    `batches_per_step`: batches whose gradients are added up before an update, as if they were one.
    `schedule`: after the warm-up, half a cosine down to a tenth, a line down to a tenth, or a constant rate.
    `bf16`: compute with bf16 weights; unset, where the machine has instructions for it.
    `cache_activations`: keep the states below the first block that trains, and start above it when a text comes again.
    `tasks`: so many groups of documents, trained one after another; 0 for all at once. All questions are asked after
    each `ask_every` of them, and after the last.
    `sweep`: factors of each method's own `lr` that `train run --sweep` tries.
    `tracking`: what the figures of metrics.jsonl and curve.jsonl are given to as well, on this disk.
    `checkpoint_every`: steps after which a run's state is saved, to go on from after a kill; the `keep` latest stay.
    """

    methods: Methods
    data: Data
    objectives: Axis[Objective] = Field(default=["next_token"], min_length=1)
    mixes: dict[Name, Annotated[dict[str, NonNegativeFloat], Field(min_length=1)]] = Field(default_factory=dict)
    replay_shares: Axis[Annotated[float, Field(ge=0, le=10)]] = Field(default_factory=list)
    seeds: Axis[Seed] = Field(default_factory=list)
    epochs: int = Field(default=5, ge=1)
    batches_per_step: int = Field(default=1, ge=1)
    cache_activations: bool = False
    warmup_steps: int = Field(default=5, ge=0)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    bf16: bool | None = None
    distill: Distill = Distill()
    watch: Watch | None = None
    workers: Workers = Workers()
    tasks: int = Field(default=0, ge=0)
    ask_every: int = Field(default=1, ge=1)
    sweep: Axis[PositiveFloat] = Field(default=[0.25, 0.5, 1, 2, 4], min_length=1)
    tracking: Axis[Literal["tensorboard", "mlflow"]] = Field(default_factory=list)
    checkpoint_every: int = Field(default=0, ge=0)
    keep: int = Field(default=2, ge=1)

    @model_validator(mode="after")
    def check_workers(self) -> Self:
        """Each worker has the same number of batches."""
        if self.batches_per_step % self.workers.number:
            raise ValueError(f"batches_per_step must be a multiple of workers.number, {self.workers.number}")
        return self

    @model_validator(mode="after")
    def check_course(self) -> Self:
        """What would be left out without a word."""
        if self.ask_every > max(self.tasks, 1):
            raise ValueError(f"ask_every is {self.ask_every} of {self.tasks} tasks: lower it, or set tasks")
        if self.tasks and self.watch:
            raise ValueError("a stream asks all questions after each group: leave out watch, or tasks")
        if self.watch and self.watch.every_epochs > self.epochs:
            raise ValueError(f"watch.every_epochs is {self.watch.every_epochs} of {self.epochs} epochs: lower it")
        own = [getattr(options, "objective", None) for options in self.methods.chosen().values()]
        if self.data.join_notes and "distill" in [*own, *self.objectives, self.data.replay_objective]:
            raise ValueError("distill's student sees a note alone: leave out data.join_notes, or that objective")
        return self


class QuestionSet(Settings):
    """Questions from elsewhere: `path` is a file relative to the pipeline file (.jsonl, or SQuAD's .json), or with
    `dataset` a Hugging Face dataset, a folder or a name on the Hub. `limit`: the first so many rows.
    """

    path: str
    dataset: HubDataset | None = None
    limit: int | None = Field(default=None, ge=1)


class Judge(Settings):
    """A model that grades answers as SimpleQA does (Wei et al. 2411.04368), beside exact match.

    `engine` is one of `augment.engine`; `model` is for those that need one (vllm). `kinds` are what it grades.
    """

    engine: SerializeAsAny[Annotated[EngineSettings, WrapValidator(read_engine)]]
    model: str | None = None
    max_tokens: int = Field(default=16, ge=1)
    concurrency: int = Field(default=16, ge=1)
    kinds: list[Literal["held_out", "reversed", "two_hop", "free", "known"]] = Field(
        default=["held_out", "reversed", "two_hop", "free"], min_length=1
    )


class Evaluate(Settings):
    """What is asked: `facts` about the documents that were trained, `known` general questions.

    `locality`: prompts whose answers no training should change; zsRE's and CounterFact's files are read as they are.
    `num_choices`: of so many answers the likeliest is chosen, for one question of each fact; 0 for none.
    `free_tokens`: one question of each fact is asked without examples, in the model's own chat form where it has one,
    and answered in so many tokens at most; 0 for none.
    `kl`: measure KL(base || run) on the held-out passages; the base model is then in memory beside the run.
    `open_texts`: so many cues and so many openings of held-out passages are continued by `open_tokens` tokens.
    `lm_eval`: tasks of lm-evaluation-harness, by name or as YAML files relative to the pipeline file (extra `lm-eval`).
    `vllm`: let vLLM write the answers; for `full`, `lora` and what needs no training, which it can load.
    """

    facts: QuestionSet | str
    known: QuestionSet | str
    locality: list[str | QuestionSet] = Field(default_factory=list)
    num_choices: int = Field(default=4, ge=0)
    free_tokens: int = Field(default=48, ge=0)
    max_new_tokens: int = Field(default=12, ge=1)
    batch_size: int = Field(default=32, ge=1)
    vllm: bool = False
    judge: Judge | None = None
    kl: bool = True
    open_texts: int = Field(default=16, ge=0)
    open_tokens: int = Field(default=48, ge=1)
    lm_eval: list[str] = Field(default_factory=list)


class TrainFile(Settings):
    """A pipeline file as `train` reads it; the `augment:` part is that command's to check."""

    model: str = EMBEDDED
    out: str
    seed: Seed = 0
    facts: Any = None
    augment: Any = None
    train: Train
    evaluate: Evaluate
