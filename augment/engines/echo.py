"""A deterministic fake engine: replies of the last message's own words, failures where they are asked for."""

import asyncio
import os
import random
import re
from collections.abc import Sequence
from pathlib import Path

from augment.engines.base import EchoEngine, Sampling
from augment.errors import EngineError
from augment.records import Message, Reply, content_id


class Echo:
    """The same prompt and seed give the same replies in the same order of asking."""

    def __init__(self, settings: EchoEngine, seed: int) -> None:
        self.settings, self.seed = settings, seed
        self.times_asked: dict[str, int] = {}

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        prompt, example = messages[-1].content, messages[-2].content if len(messages) > 1 else ""
        await asyncio.sleep(self.settings.delay_sec)
        if mentions(prompt, self.settings.die_on):
            self.die()
        if mentions(prompt, self.settings.fail_on):
            raise EngineError("the echo engine was told to fail on this prompt")
        text, reason = self.answer(prompt, example, sampling.max_tokens), "stop"
        if mentions(prompt, self.settings.refuse_on):
            text = "I'm sorry, but I can't help with that."
        if mentions(prompt, self.settings.truncate_on):
            reason = "length"
        return Reply(text, reason, len(prompt.split()), len(text.split()))

    def answer(self, prompt: str, example: str, max_tokens: int) -> str:
        """Words of the prompt in a seeded order, in the form of the example. Every question has the same answer."""
        key = content_id(prompt)
        self.times_asked[key] = self.times_asked.get(key, 0) + 1
        draw = random.Random(f"{self.seed} {key} {self.times_asked[key]}")
        words = draw.choices(prompt.lower().split(), k=min(24, max_tokens))  # lower case: no names it could get wrong
        if "## " in prompt:
            return "\n".join(f"## Study {' '.join(words[i : i + 4])}" for i in range(0, 12, 4))
        if "\nQuestion: " in prompt:
            return fixed_answer(prompt)
        if example.startswith("Question: "):
            answer = fixed_answer(prompt)
            return f"Question: {' '.join(w for w in words[:10] if answer.lower() not in w)}?\nAnswer: {answer}"
        if example.startswith("- "):
            return "\n".join(f"- {' '.join(words[i : i + 8])}." for i in range(0, len(words), 8))
        return f"{' '.join(words)}."

    def die(self) -> None:
        """End the process, or go on when that happened `max_deaths` times."""
        if self.settings.deaths_file is not None:
            with Path(self.settings.deaths_file).open("a+", encoding="utf-8") as deaths:
                deaths.seek(0)
                if self.settings.max_deaths is not None and len(deaths.readlines()) >= self.settings.max_deaths:
                    return
                deaths.write("died\n")
        os._exit(1)

    async def close(self) -> None:
        """Nothing was started."""


def mentions(prompt: str, texts: list[str]) -> bool:
    """Whether any of the texts stands in the prompt."""
    return any(text in prompt for text in texts)


def fixed_answer(prompt: str) -> str:
    """The longest word of the line after "Text: "."""
    words: list[str] = re.findall(r"\w+", prompt.partition("Text: ")[2].split("\n")[0])
    return max(words, key=len)
