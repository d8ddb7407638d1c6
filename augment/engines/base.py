"""What every engine promises, and the settings of the two that ship."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field

from augment.models import ModelFolder
from augment.prices import Prices
from augment.records import Message, Reply
from augment.settings import Settings


class Sampling(Settings):
    """How a reply is drawn; the same for all requests of a run."""

    temperature: float = Field(default=0.8, ge=0, le=2)
    top_p: float = Field(default=0.95, gt=0, le=1)
    max_tokens: int = Field(default=200, ge=1)


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


def start_engine(settings: VllmEngine | EchoEngine, model: ModelFolder | None, seed: int) -> Engine:
    """Start the engine that the settings name; a heavy one is imported only here."""
    if isinstance(settings, EchoEngine):
        from augment.engines.echo import Echo

        return Echo(settings, seed)
    from augment.engines.vllm import Vllm

    assert model is not None
    return Vllm(settings, model, seed)
