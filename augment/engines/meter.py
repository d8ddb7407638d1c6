"""Counts the tokens that go through an engine, those of replies that become no note too."""

from collections.abc import Sequence

from augment.engines.base import Engine, Sampling
from augment.records import Message, Reply


class Meter:
    """An engine that passes everything on to another one and adds up what its replies took."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.prompt_tokens = self.completion_tokens = 0

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        """The other engine's reply, counted."""
        reply = await self.engine.generate(messages, sampling)
        self.prompt_tokens += reply.prompt_tokens
        self.completion_tokens += reply.completion_tokens
        return reply

    async def close(self) -> None:
        """Nothing of its own to end."""
