"""The `augment:` part of a pipeline file, and what all stages share."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
    model_validator,
)
from pydantic_core import InitErrorDetails

from augment.chunks import Chunks
from augment.documents import Documents
from augment.engines.base import EngineSettings, Sampling, VllmEngine
from augment.engines.registry import ENGINES
from augment.filters.base import Filters
from augment.models import EMBEDDED
from augment.plugins import check_options
from augment.settings import Choices, Settings
from augment.strategies.base import Options
from augment.strategies.registry import STRATEGIES


def read_engine(data: Any, read_shipped: ValidatorFunctionWrapHandler) -> Any:
    """The engine's settings; a kind that an installed package brings has its own."""
    kind = data.get("kind") if isinstance(data, Mapping) else None
    if isinstance(kind, str) and kind in ENGINES.installed:
        return check_options(ENGINES[kind].settings, data)
    return data if isinstance(data, Settings) else read_shipped(data)


class PluginChoices(Choices):
    """Options of strategies by name: fields for those that ship, extras for those that installed packages bring."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="before")
    @classmethod
    def read_plugins(cls, data: Any) -> Any:
        """Check the options of each name that does not ship."""
        if not isinstance(data, Mapping):
            return data
        others = {name: options for name, options in data.items() if name not in STRATEGIES.shipped}
        return {**data, **{name: read_plugin(name, options) for name, options in others.items()}}

    @classmethod
    def names(cls) -> list[str]:
        """What ships and what is installed."""
        return list(STRATEGIES)


def read_plugin(name: str, options: Any) -> Any:
    """A plugin's options, `false` where it is left out; raises ValidationError for a name that nobody has."""
    if name not in STRATEGIES.installed:
        unknown: InitErrorDetails = {"type": "extra_forbidden", "loc": (name,), "input": options}
        raise ValidationError.from_exception_data("StrategyOptions", [unknown])
    if options is False:
        return False
    return check_options(STRATEGIES[name].options, {} if options is None else options, name)


OPTIONS: dict[str, Any] = {n: (s.options | None, None) for n, s in STRATEGIES.shipped.items()}
StrategyOptions: type[BaseModel] = create_model(
    "StrategyOptions", __base__=PluginChoices, __module__=__name__, **OPTIONS
)


class Augment(Settings):
    """How documents become notes. `prompts` is a folder of templates that shadow the shipped ones.

    `license` (an SPDX identifier or free text) and `language` (ISO 639 code) of the documents go to the dataset's card.
    """

    documents: Documents
    chunks: Chunks = Chunks()
    engine: SerializeAsAny[Annotated[EngineSettings, WrapValidator(read_engine)]] = VllmEngine()
    sampling: Sampling = Sampling()
    strategies: StrategyOptions  # type: ignore[valid-type]
    filters: Filters = Filters()
    prompts: str | None = None
    units_per_shard: int = Field(default=8, ge=1)
    license: str | None = Field(default=None, min_length=1, max_length=200)
    language: str | None = Field(default=None, pattern="^[a-z]{2,3}$")

    def chosen_strategies(self) -> dict[str, Options]:
        """Options of the strategies that the file names, in the registry's order."""
        return {n: o for n in STRATEGIES if (o := getattr(self.strategies, n, None)) is not None}


class AugmentFile(Settings):
    """A pipeline file as `augment` reads it; other stages' parts are theirs to check."""

    model: str = EMBEDDED
    out: str = Field(min_length=1)
    seed: int = 0
    facts: Any = None
    augment: Augment
    train: Any = None
    evaluate: Any = None
