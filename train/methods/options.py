"""Options of the methods, and the choice of methods that a pipeline file makes."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails

from augment.plugins import check_options
from augment.settings import Choices, Settings

NAME = re.compile(r"[a-z0-9_]+")
TAKEN = ("base", "background")  # folders beside the runs
Objective = Literal["next_token", "distill"]


class OwnObjective(Settings):
    """What all methods that train have: an `objective` of their own, in place of the pipeline file's `objectives`."""

    objective: Objective | None = Field(default=None, exclude_if=lambda value: value is None)


class LoraOptions(OwnObjective):
    """LoRA (Hu et al. 2106.09685) on the modules that `targets` names, all linear ones by default, with AdamW."""

    kind: Literal["lora"] = "lora"
    rank: int = Field(default=16, ge=1)
    alpha: float = Field(default=32, gt=0)
    targets: str | list[str] = "all-linear"
    lr: float = Field(default=5e-4, gt=0)


class FullOptions(OwnObjective):
    """Every weight of the model, trained with AdamW on fp32 master weights."""

    kind: Literal["full"] = "full"
    lr: float = Field(default=5e-5, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)


class MemoryOptions(OwnObjective):
    """Product-key memories beside the MLPs of `layers`; `top_t` rows of each value table move per step.

    `mlp` is what a block calls its MLP. `num_keys` is the number of half keys: a table has `num_keys` squared slots.
    `ranking`: how a step's rows are chosen; `all` takes every row that the batch reads. `idf_power` sharpens the
    protection of slots that the background uses. `background`: the `keys.safetensors` of an earlier run, whose
    statistics are taken instead of made. `protect`: folders of patches whose rows no step may move; with
    `protect_earlier` also those that earlier tasks of the same run wrote.
    `keys`: placed on what the notes' tokens look like, or random; with `notes`, a token reads mostly nothing where
    twice the best cosine of a key's first half (2 is a perfect match) is under `null_score`. `damping`: a row that the
    background reads u times as much as the mean row moves at damping / (damping + u) of the rate; 0 damps nothing.
    `placement`: the notes' keys as far apart as can be, or at the centres of what is alike. `contrasts`: so many
    directions in which things that end alike differ (people of one surname, say) make the second half of each key; 0:
    none. `write_at`: the tokens whose reads may move rows: all, or those that the notes about one thing keep saying and
    those about others do not (names, above all; train/recurring.py). `patches`: what each document wrote, or one for
    the whole run.
    `pool`: one table for each layer, or one that all layers read. `gate` lets a token's memory through by 0 to 2,
    `projection` maps what was read; both are dense, change nothing before training and train by AdamW at `dense_lr`.
    """

    kind: Literal["memory"] = "memory"
    layers: list[Annotated[int, Field(ge=0)]] = Field(default=[6, 10, 14], min_length=1)
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
    placement: Literal["spread", "centres"] = "spread"
    contrasts: int = Field(default=0, ge=0)
    write_at: Literal["all", "recurring"] = "all"
    patches: Literal["document", "run"] = "document"
    null_score: float = Field(default=1.4, ge=0, le=2)
    ranking: Literal["tfidf", "kl", "all"] = "tfidf"
    idf_power: float = Field(default=1.0, ge=0)
    optimizer: Literal["adam", "sgd"] = "adam"
    lr: float = Field(default=1.0, gt=0)
    background: str | None = None
    protect: list[str] = Field(default_factory=list)
    protect_earlier: bool = False

    @field_validator("layers")
    @classmethod
    def check_layers(cls, layers: list[int]) -> list[int]:
        """A layer has one memory."""
        if len(set(layers)) < len(layers):
            raise ValueError("a layer is there twice")
        return layers


class PrefixOptions(OwnObjective):
    """A trained prefix of keys and values in front of every layer (Cartridges, Eyuboglu et al. 2506.06266), by AdamW.

    It begins as the keys and values of the first notes; the first token stays as it is.
    """

    kind: Literal["prefix"] = "prefix"
    num_tokens: int = Field(default=64, ge=2)
    lr: float = Field(default=5e-3, gt=0)


class NoOptions(Settings):
    """The base model as it is. It is evaluated in any case."""

    kind: Literal["none"] = "none"


class InContextOptions(Settings):
    """The base model with the document in its prompt: what could be known at most.

    A document longer than `max_tokens` is cut. A general question has a document drawn by the seed before it.
    """

    kind: Literal["in_context"] = "in_context"
    max_tokens: int = Field(default=1024, ge=16)


class RetrievalOptions(Settings):
    """The base model with the `top_k` chunks in its prompt that BM25 (Robertson & Zaragoza 2009) finds."""

    kind: Literal["retrieval"] = "retrieval"
    top_k: int = Field(default=2, ge=1)


TrainedOptions = LoraOptions | FullOptions | MemoryOptions | PrefixOptions
UntrainedOptions = NoOptions | InContextOptions | RetrievalOptions
Options = TrainedOptions | UntrainedOptions
OPTIONS: dict[str, type[Options]] = {
    "memory": MemoryOptions,
    "lora": LoraOptions,
    "full": FullOptions,
    "prefix": PrefixOptions,
    "none": NoOptions,
    "in_context": InContextOptions,
    "retrieval": RetrievalOptions,
}


class Methods(Choices):
    """The methods to compare, by name. A name that is no method's is a variant, whose `kind` says of which."""

    model_config = ConfigDict(extra="allow")

    memory: MemoryOptions | None = None
    lora: LoraOptions | None = None
    full: FullOptions | None = None
    prefix: PrefixOptions | None = None
    none: NoOptions | None = None
    in_context: InContextOptions | None = None
    retrieval: RetrievalOptions | None = None

    @model_validator(mode="before")
    @classmethod
    def read_variants(cls, data: Any) -> Any:
        """Check the options of each variant by its kind."""
        if not isinstance(data, Mapping):
            return data
        return {name: options if name in OPTIONS else read_variant(name, options) for name, options in data.items()}

    def chosen(self) -> dict[str, Options]:
        """Options of the methods that the file names, in its order for variants."""
        named = {name: getattr(self, name) for name in OPTIONS}
        return {name: options for name, options in (named | (self.model_extra or {})).items() if options}


def read_variant(name: str, options: Any) -> Any:
    """Options of a variant, False where it is left out; raises ValidationError for a kind that nobody knows."""
    if options is False:
        return False
    kind = options.get("kind") if isinstance(options, Mapping) else None
    if kind not in OPTIONS:
        unknown: InitErrorDetails = {"type": "extra_forbidden", "loc": (name,), "input": options}
        raise ValidationError.from_exception_data("Methods", [unknown])
    if not NAME.fullmatch(name) or name in TAKEN:
        text = f"a variant's name has small letters, digits and _ alone, and is none of {', '.join(TAKEN)}"
        wrong: InitErrorDetails = {"type": "value_error", "loc": (name,), "input": name, "ctx": {"error": text}}
        raise ValidationError.from_exception_data("Methods", [wrong])
    return check_options(OPTIONS[kind], options, name)
