"""A deterministic fake engine: replies of the last message's own words, failures where they are asked for."""

import asyncio
import math
import os
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from augment.engines.base import EchoEngine, Sampling
from augment.errors import EngineError
from augment.records import Message, Reply, content_id

EXACTLY = r'exactly "([^"\n]+)"'  # what a prompt wants to see to the letter
NUM_TOKENS = 1000


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
        reply = Reply(text, reason, len(prompt.split()), len(text.split()))
        return with_logprobs(reply, sampling.top_logprobs) if sampling.top_logprobs else reply

    def answer(self, prompt: str, example: str, max_tokens: int) -> str:
        """Words of the prompt in a seeded order, in the form of the example. Every question has the same answer."""
        key = content_id(prompt)
        self.times_asked[key] = self.times_asked.get(key, 0) + 1
        draw = random.Random(f"{self.seed} {key} {self.times_asked[key]}")
        words = draw.choices(prompt.lower().split(), k=min(24, max_tokens))  # lower case: no names it could get wrong
        if "## " in prompt:
            return "\n".join(f"## Study {' '.join(words[i : i + 4])}" for i in range(0, 12, 4))
        if "\nQuestion: " in prompt:
            return fixed_answer(prompt) if "Text: " in prompt else turn_around(prompt)
        if example.startswith("Question: "):
            answer = fixed_answer(prompt)
            return f"Question: {' '.join(w for w in words[:10] if answer.lower() not in w)}?\nAnswer: {answer}"
        if example.startswith("- ") and len(example.split("\n")[-1].split()) == 2:
            return "\n".join(f"- {name}" for name in longest_words(prompt))
        if example.startswith("- "):
            return "\n".join(f"- {' '.join(words[i : i + 8])}." for i in range(0, len(words), 8))
        return f"{' '.join([*words, *re.findall(EXACTLY, prompt)])}."

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


def with_logprobs(reply: Reply, count: int) -> Reply:
    """The reply with one made-up token a word, and `count` that are each half as likely as the one before."""
    ids = tuple(int(content_id(word), 16) % NUM_TOKENS for word in reply.text.split())
    return replace(
        reply,
        token_ids=ids,
        top_ids=tuple(tuple((first + i) % NUM_TOKENS for i in range(count)) for first in ids),
        top_logprobs=(tuple(-(i + 1) * math.log(2) for i in range(count)),) * len(ids),
    )


def longest_words(prompt: str) -> list[str]:
    """The four longest words of the prompt's text."""
    text = prompt.partition(": ")[2].split("\n")[0]
    return sorted({word.lower() for word in re.findall(r"\w+", text)}, key=len)[-4:]


def turn_around(prompt: str) -> str:
    """The question of a prompt, its second half first; a statement where the prompt has the answer."""
    question, _, answer = prompt.partition("\nQuestion: ")[2].partition("\nAnswer: ")
    words = question.strip(" ?\n").split()
    turned = " ".join([*words[len(words) // 2 :], *words[: len(words) // 2]])
    return f"The {turned} is {answer}." if answer else f"Name {turned}?"


def fixed_answer(prompt: str) -> str:
    """The longest word of the line after "Text: "."""
    words: list[str] = re.findall(r"\w+", prompt.partition("Text: ")[2].split("\n")[0])
    return max(words, key=len)
