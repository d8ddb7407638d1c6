"""Turns token counts into money, by the prices that an engine's settings give."""

from pydantic import Field

from augment.settings import Settings

MILLION = 1_000_000


class Prices(Settings):
    """What a million tokens costs, read and written, in whatever currency; zero where it costs nothing."""

    prompt_per_million: float = Field(default=0, ge=0)
    completion_per_million: float = Field(default=0, ge=0)

    def cost(self, prompt_tokens: float, completion_tokens: float) -> float:
        """Price of that many tokens."""
        return (prompt_tokens * self.prompt_per_million + completion_tokens * self.completion_per_million) / MILLION
