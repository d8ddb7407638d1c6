"""The engine `parrot`: answers with the last paragraph of what it was asked, as often as its settings say."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from augment.engines.base import EngineKind, EngineOptions, Sampling
from augment.models import ModelFolder
from augment.records import Message, Reply


class ParrotEngine(EngineOptions):
    """Every engine's settings have a `kind`; `repeat` is its own."""

    kind: Literal["parrot"] = "parrot"
    repeat: int = Field(default=1, ge=1)


class Parrot:
    """Knows no other words."""

    def __init__(self, settings: ParrotEngine) -> None:
        self.settings = settings

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        words = messages[-1].content.split("\n\n")[-1].split() * self.settings.repeat
        return Reply(" ".join(words), "stop", len(messages[-1].content.split()), len(words))

    async def close(self) -> None:
        """Nothing was started."""


def start(settings: ParrotEngine, model: ModelFolder | None, seed: int) -> Parrot:
    """The engine; it needs no model."""
    return Parrot(settings)


ENGINE = EngineKind(ParrotEngine, start, needs_model=False)
