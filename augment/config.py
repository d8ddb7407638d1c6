"""The `augment:` part of a pipeline file, and what all stages share."""

from typing import Any

from pydantic import BaseModel, Field, create_model

from augment.chunks import Chunks
from augment.documents import Documents
from augment.engines.base import EngineSettings, Sampling, VllmEngine
from augment.filters.base import Filters
from augment.models import EMBEDDED
from augment.settings import Choices, Settings
from augment.strategies.base import Options
from augment.strategies.registry import STRATEGIES

OPTIONS: dict[str, Any] = {n: (s.options | None, None) for n, s in STRATEGIES.items()}
StrategyOptions: type[BaseModel] = create_model("StrategyOptions", __base__=Choices, __module__=__name__, **OPTIONS)


class Augment(Settings):
    """How documents become notes. `prompts` is a folder of templates that shadow the shipped ones.

    `license` (an SPDX identifier or free text) and `language` (ISO 639 code) of the documents go to the dataset's card.
    """

    documents: Documents
    chunks: Chunks = Chunks()
    engine: EngineSettings = VllmEngine()
    sampling: Sampling = Sampling()
    strategies: StrategyOptions  # type: ignore[valid-type]
    filters: Filters = Filters()
    prompts: str | None = None
    units_per_shard: int = Field(default=8, ge=1)
    license: str | None = Field(default=None, min_length=1, max_length=200)
    language: str | None = Field(default=None, pattern="^[a-z]{2,3}$")

    def chosen_strategies(self) -> dict[str, Options]:
        """Options of the strategies that the file names, in the registry's order."""
        return {n: o for n in STRATEGIES if (o := getattr(self.strategies, n)) is not None}


class AugmentFile(Settings):
    """A pipeline file as `augment` reads it; other stages' parts are theirs to check."""

    model: str = EMBEDDED
    out: str
    seed: int = 0
    augment: Augment
    train: Any = None
    evaluate: Any = None
