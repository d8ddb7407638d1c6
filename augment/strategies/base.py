"""What a strategy is: options, template names, and an async function from a chunk to notes."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import Field

from augment.engines.base import Engine, Sampling
from augment.records import Chunk, Note, Reply
from augment.settings import Settings
from augment.templates import Template


class Options(Settings):
    """What all strategies have: how many times each chunk is studied this way."""

    rounds: int = Field(default=1, ge=1)

    def count_calls(self, chunk: Chunk) -> int:
        """Requests that one unit makes at most, for estimates."""
        return 1


@dataclass(frozen=True, slots=True)
class Ask:
    """Asks the engine with a template. `round` counts from 0, for strategies that vary with it."""

    engine: Engine
    sampling: Sampling
    templates: Mapping[str, Template]
    round: int = 0

    async def __call__(
        self, template: str, chunk: Chunk, greedy: bool = False, top_logprobs: int = 0, **variables: str | int
    ) -> Reply:
        """The reply to the template filled with the chunk, marked with the template's name and hash.

        `greedy` asks for the most likely reply instead of a drawn one, `top_logprobs` for that many of the likeliest
        tokens at each of the reply's.
        """
        source = self.templates[template]
        known: dict[str, str | int] = {"title": chunk.title, "topic": chunk.topic, "chunk": chunk.text.strip()}
        drawn = {"temperature": 0.0} if greedy else {}
        sampling = self.sampling.model_copy(update=drawn | {"top_logprobs": top_logprobs})
        reply = await self.engine.generate(source.render(**known, **variables), sampling)
        return replace(reply, template=source.name, template_hash=source.hash)


Study = Callable[[Chunk, Ask, Any], AsyncIterator[Note]]


@dataclass(frozen=True, slots=True)
class Strategy:
    """A strategy as it is registered. `exempt` names filters that do not apply to its notes, `prompts` the importable
    package that holds its templates.
    """

    name: str
    options: type[Options]
    study: Study
    templates: tuple[str, ...] = ()
    exempt: frozenset[str] = field(default_factory=frozenset)
    prompts: str = "prompts"
