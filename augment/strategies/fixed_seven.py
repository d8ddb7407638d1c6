"""Seven fixed prompts, each sampled once a round: the strongest published baseline (SPA, 2603.22213).

`rounds` is the number of samples of each prompt; at matched tokens many samples of these seven beat strategies that
the model proposes itself.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Literal, get_args

from pydantic import Field

from augment.records import Chunk, Note
from augment.strategies.base import Ask, Options, Strategy

Prompt = Literal[
    "key_concepts", "mind_map", "implications", "critical_questions", "case_study", "discussion", "teacher"
]
PROMPTS: tuple[Prompt, ...] = get_args(Prompt)


class FixedSeven(Options):
    """Which of the seven are asked."""

    prompts: list[Prompt] = Field(default=list(PROMPTS), min_length=1)

    def count_calls(self, chunk: Chunk) -> int:
        return len(self.prompts)


async def study(chunk: Chunk, ask: Ask, options: FixedSeven) -> AsyncIterator[Note]:
    """One note per prompt, all asked at once."""
    replies = await asyncio.gather(*(ask(f"fixed_seven_{prompt}", chunk) for prompt in options.prompts))
    for prompt, reply in zip(options.prompts, replies, strict=True):
        yield Note(reply.text, reply, strategy_text=prompt)


STRATEGY = Strategy("fixed_seven", FixedSeven, study, templates=tuple(f"fixed_seven_{prompt}" for prompt in PROMPTS))
