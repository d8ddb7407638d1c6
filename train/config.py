"""The `train:` and `evaluate:` parts of a pipeline file."""

from typing import Any, Literal

from pydantic import Field

from augment.models import EMBEDDED
from augment.settings import Choices, Settings


class LoraOptions(Settings):
    """LoRA on every linear layer of attention and MLP (Hu et al. 2106.09685), trained with AdamW."""

    rank: int = Field(default=16, ge=1)
    alpha: float = Field(default=32, gt=0)
    lr: float = Field(default=5e-4, gt=0)


class FullOptions(Settings):
    """Every weight of the model, trained with AdamW on fp32 master weights."""

    lr: float = Field(default=5e-5, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)


class MemoryOptions(Settings):
    """Product-key memories beside the MLPs of `layers`; `top_t` rows of each value table move per step.

    `mlp` is what a block calls its MLP. `num_keys` is the number of half keys: a table has `num_keys` squared slots.
    `ranking`: how a step's rows are chosen; `all` takes every row that the batch reads. `idf_power` sharpens the
    protection of slots that the background uses. `background`: the `keys.safetensors` of an earlier run, whose
    statistics are taken instead of made. `protect`: folders of patches whose rows no step may move.
    `keys`: placed on what the notes' tokens look like, or random; with `notes`, a token whose best slot scores under
    `null_score` (2 is a perfect match) reads mostly nothing. `damping`: a row that the background reads u times as much
    as the mean row moves at damping / (damping + u) of the rate; 0 damps nothing.
    `pool`: one table for each layer, or one that all layers read. `gate` lets a token's memory through by 0 to 2,
    `projection` maps what was read; both are dense, change nothing before training and train by AdamW at `dense_lr`.
    """

    layers: list[int] = Field(default=[3, 6, 10], min_length=1)
    mlp: str = "mlp"
    num_keys: int = Field(default=512, ge=2)
    heads: int = Field(default=4, ge=1)
    k: int = Field(default=16, ge=1)
    half_key_size: int = Field(default=64, ge=2)
    top_t: int = Field(default=3000, ge=1)
    pool: Literal["separate", "shared"] = "separate"
    gate: bool = False
    projection: bool = False
    dense_lr: float = Field(default=1e-3, gt=0)
    damping: float = Field(default=1.0, ge=0)
    keys: Literal["notes", "random"] = "notes"
    null_score: float = Field(default=1.4, ge=0, le=2)
    ranking: Literal["tfidf", "kl", "all"] = "tfidf"
    idf_power: float = Field(default=1.0, ge=0)
    optimizer: Literal["adam", "sgd"] = "adam"
    lr: float = Field(default=1.0, gt=0)
    background: str | None = None
    protect: list[str] = Field(default_factory=list)


class Methods(Choices):
    """The methods to train; each named one becomes a run."""

    memory: MemoryOptions | None = None
    lora: LoraOptions | None = None
    full: FullOptions | None = None


class Data(Settings):
    """Texts besides the notes: JSON lines, relative to the pipeline file.

    `passages` (`text`): the first `num_background` are background and replay, the others are held out.
    `questions` (`question`, `answer`): background only, disjoint from the known set.
    `answers_only`: of a question note, only the answer is learned; of all others, every token.
    `replay_share`: tokens of replay for each token of notes; they come on top.
    """

    passages: str
    questions: str
    num_background: int = Field(default=80, ge=1)
    replay_share: float = Field(default=0.1, ge=0, le=10)
    answers_only: bool = True
    max_length: int = Field(default=256, ge=8)
    tokens_per_batch: int = Field(default=1024, ge=16)


class Train(Settings):
    """How notes are written into weights: every method sees the same tokens in the same order.

    `batches_per_step`: batches whose gradients are added up before an update, as if they were one.
    `cache_activations`: keep the states below the first block that trains, and start above it when a text comes again.
    """

    methods: Methods
    data: Data
    epochs: int = Field(default=5, ge=1)
    batches_per_step: int = Field(default=1, ge=1)
    cache_activations: bool = False
    warmup_steps: int = Field(default=5, ge=0)
    bf16: bool = True


class Evaluate(Settings):
    """What is asked: `facts` about the documents that were trained, `known` general questions."""

    facts: str
    known: str
    max_new_tokens: int = Field(default=12, ge=1)
    batch_size: int = Field(default=32, ge=1)


class TrainFile(Settings):
    """A pipeline file as `train` reads it; the `augment:` part is that command's to check."""

    model: str = EMBEDDED
    out: str
    seed: int = 0
    augment: Any = None
    train: Train
    evaluate: Evaluate
