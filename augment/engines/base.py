"""What every engine promises, and the settings of those that ship."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol
from urllib.parse import urlsplit

from pydantic import Field

from augment.errors import ConfigError
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


class EngineOptions(Settings):
    """What the settings of every engine have, those of installed packages too; each adds its `kind`.

    `max_restarts` bounds how often a dead engine starts again; `prices` are for estimates.
    """

    max_model_len: int = Field(default=2048, ge=64)
    actors: int = Field(default=1, ge=1)
    gpus_per_actor: float = Field(default=0, ge=0)
    max_restarts: int = Field(default=20, ge=0)
    prices: Prices = Prices()


class VllmEngine(EngineOptions):
    """vLLM in this process tree. `options` go to its AsyncEngineArgs as they are.

    A machine with 8 GPUs runs 8 `actors` of one GPU each, or fewer with more `gpus_per_actor`; a model that does not
    fit one GPU is split over `tensor_parallel` of them.
    """

    kind: Literal["vllm"] = "vllm"
    tensor_parallel: int = Field(default=1, ge=1)
    prefix_caching: bool = True
    kv_cache_gib: int = Field(default=2, ge=1)
    options: dict[str, Any] = Field(default_factory=dict)


class TransformersEngine(EngineOptions):
    """`generate` of transformers in this process, `max_batch` requests at once: slower than vLLM, and runs everywhere.

    It takes the GPU where PyTorch sees one; `gpus_per_actor` keeps it for the actor.
    """

    kind: Literal["transformers"] = "transformers"
    max_batch: int = Field(default=32, ge=1)


class OpenaiEngine(EngineOptions):
    """An endpoint that speaks OpenAI's chat completions. `api_key_env` names the environment variable with the key.

    `tokenizer` is a folder or tokenizer.json that counts a chunk's tokens (without one they are words); `options` are
    added to each request's body; `limit_name` is what the endpoint calls the limit of a reply's length. `token_ids`
    says that it can give the answer's tokens by id, as vLLM's server does: `self_study` keeps them for distillation.
    """

    kind: Literal["openai"] = "openai"
    base_url: str
    model: str = Field(min_length=1)
    api_key_env: str | None = "OPENAI_API_KEY"
    tokenizer: str | None = None
    max_model_len: int = Field(default=8192, ge=64)
    gpus_per_actor: Literal[0] = 0
    max_concurrency: int = Field(default=64, ge=1)
    timeout_sec: float = Field(default=120, gt=0)
    max_tries: int = Field(default=4, ge=1)
    max_backoff_sec: float = Field(default=60, ge=0)
    stop_after_failures: int = Field(default=20, ge=1)
    limit_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    token_ids: bool = False
    options: dict[str, Any] = Field(default_factory=dict)


class EchoEngine(EngineOptions):
    """A fake that answers from the last message's own words; `fail_on` and its kin match its text.

    `die_on` ends the process as a crash would: always, or `max_deaths` times counted by the lines of `deaths_file`.
    """

    kind: Literal["echo"] = "echo"
    delay_sec: float = Field(default=0, ge=0)
    fail_on: list[str] = Field(default_factory=list)
    refuse_on: list[str] = Field(default_factory=list)
    truncate_on: list[str] = Field(default_factory=list)
    die_on: list[str] = Field(default_factory=list)
    max_deaths: int | None = Field(default=None, ge=0)
    deaths_file: str | None = None


AnyEngineSettings = VllmEngine | TransformersEngine | OpenaiEngine | EchoEngine
EngineSettings = Annotated[AnyEngineSettings, Field(discriminator="kind")]
SECRET = re.compile(
    r"api.?key|authorization|bearer|(hf|access|auth).?token|secret|passw|credential|cookie|headers?$", re.IGNORECASE
)
ENV_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class EngineKind:
    """An engine as it is registered: its settings, and what starts it with the model, where it `needs_model`, and the
    seed.
    """

    settings: type[EngineOptions]
    start: Callable[[Any, ModelFolder | None, int], Engine]
    needs_model: bool = True


def check_engine(settings: AnyEngineSettings) -> None:
    """Raise ConfigError for settings that contradict each other, or hold a secret; the message does not show it."""
    check_options(getattr(settings, "options", {}), "augment.engine.options")
    if isinstance(settings, OpenaiEngine):
        check_endpoint(settings)
    if isinstance(settings, VllmEngine) and 0 < settings.gpus_per_actor < settings.tensor_parallel:
        what = f"augment.engine.tensor_parallel is {settings.tensor_parallel}"
        what += f", gpus_per_actor is {settings.gpus_per_actor:g}"
        raise ConfigError(what, f"set augment.engine.gpus_per_actor={settings.tensor_parallel}")
    if isinstance(settings, EchoEngine) and settings.max_deaths is not None and not settings.deaths_file:
        raise ConfigError("augment.engine.max_deaths counts nothing", "set augment.engine.deaths_file=FILE")


def check_options(options: Mapping[str, Any], where: str) -> None:
    """Raise ConfigError for an option that is a secret by its name: options are saved beside the output."""
    for name, value in options.items():
        if isinstance(value, Mapping):
            check_options(value, f"{where}.{name}")
        if SECRET.search(f"{name}") and isinstance(value, str | Mapping):
            todo = "leave it out and export it (OPENAI_API_KEY, HF_TOKEN)"
            raise ConfigError(f"{where}.{name} would be saved in the output folder", todo)


def check_endpoint(settings: OpenaiEngine) -> None:
    """Raise ConfigError for an address that is none, or a secret in the settings."""
    url = urlsplit(settings.base_url)
    if url.username or url.password or url.query or url.fragment:
        todo = "leave those out; the key comes from the environment (augment.engine.api_key_env)"
        raise ConfigError("augment.engine.base_url has a user name, a query or a fragment", todo)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ConfigError("augment.engine.base_url is no address", "write it like http://localhost:8000/v1")
    if settings.api_key_env is not None and not ENV_NAME.fullmatch(settings.api_key_env):
        todo = "write the variable's name in capitals (OPENAI_API_KEY), never the key itself"
        raise ConfigError("augment.engine.api_key_env is no name of an environment variable", todo)


def name_model(settings: AnyEngineSettings, model: ModelFolder | None) -> tuple[str, str]:
    """Name and revision of the model that answers, "" where there is none or it is not known."""
    if isinstance(settings, OpenaiEngine):
        return settings.model, ""
    return (model.name, model.revision) if model else ("", "")
