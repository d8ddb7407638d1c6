"""What every engine promises, and the settings of the two that ship."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field

from augment.models import ModelFolder
from augment.prices import Prices
from augment.records import Message, Reply
from augment.settings import Settings

MAX_LOGPROBS = 20  # what vLLM and the usual endpoints give at most


class Sampling(Settings):
    """How a reply is drawn. `top_logprobs` is the number of likeliest tokens that come back for each of the answer's;
    a strategy that wants them asks for them, whatever the pipeline file says.
    """

    temperature: float = Field(default=0.8, ge=0, le=2)
    top_p: float = Field(default=0.95, gt=0, le=1)
    max_tokens: int = Field(default=200, ge=1)
    top_logprobs: int = Field(default=0, ge=0, le=MAX_LOGPROBS)


class Engine(Protocol):
    """Answers requests; many `generate` calls run at once."""

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        """The reply to a conversation that ends with the user. Raises EngineError when the request cannot be served."""
        ...

    async def close(self) -> None:
        """Stop what was started."""
        ...


class VllmEngine(Settings):
    """vLLM in this process tree. `options` go to its AsyncEngineArgs as they are."""

    kind: Literal["vllm"] = "vllm"
    max_model_len: int = Field(default=2048, ge=64)
    actors: int = Field(default=1, ge=1)
    gpus_per_actor: float = Field(default=0, ge=0)
    kv_cache_gib: int = Field(default=2, ge=1)
    options: dict[str, Any] = Field(default_factory=dict)
    prices: Prices = Prices()


class EchoEngine(Settings):
    """A fake that answers from the last message's own words; `fail_on` and its kin match its text."""

    kind: Literal["echo"] = "echo"
    max_model_len: int = 2048
    actors: int = Field(default=1, ge=1)
    gpus_per_actor: float = 0
    delay_sec: float = Field(default=0, ge=0)
    fail_on: list[str] = Field(default_factory=list)
    refuse_on: list[str] = Field(default_factory=list)
    truncate_on: list[str] = Field(default_factory=list)
    prices: Prices = Prices()


EngineSettings = Annotated[VllmEngine | EchoEngine, Field(discriminator="kind")]


@dataclass(frozen=True, slots=True)
class EngineKind:
    """An engine as it is registered: its settings, and what starts it with the model, where it `needs_model`, and the
    seed. Settings have a `kind`, and VllmEngine's `max_model_len`, `actors` and `gpus_per_actor`.
    """

    settings: type[Settings]
    start: Callable[[Any, ModelFolder | None, int], Engine]
    needs_model: bool = True
