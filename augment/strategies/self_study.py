"""The model asks itself about the chunk and answers with the chunk at hand (self-study; Cartridges, 2506.06266).

Each note keeps what the teacher thought at every token of its answer: its k likeliest tokens and their log
probabilities, the targets of a student that has to answer without the chunk (context distillation).
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Literal, get_args

from pydantic import Field

from augment.engines.base import MAX_LOGPROBS
from augment.records import Chunk, Note
from augment.strategies.base import Ask, Options, Strategy
from augment.strategies.replies import is_whole, unparsed

Kind = Literal["detail", "structure", "summary", "use", "idea"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ASKS: dict[Kind, str] = {
    "detail": "about one detail",
    "structure": "that asks for a list of things",
    "summary": "that asks for a short summary",
    "use": "of somebody who needs this knowledge for a task",
    "idea": "that asks to explain why or how",
}


class SelfStudy(Options):
    """`per_round` conversations of one question each; their kinds go through `kinds`, round after round. The answer's
    tokens come with the `top_logprobs` likeliest (0: none are kept)."""

    per_round: int = Field(default=2, ge=1)
    kinds: list[Kind] = Field(default=list(KINDS), min_length=1)
    top_logprobs: int = Field(default=MAX_LOGPROBS, ge=0, le=MAX_LOGPROBS)

    def count_calls(self, chunk: Chunk) -> int:
        return 2 * self.per_round


async def study(chunk: Chunk, ask: Ask, options: SelfStudy) -> AsyncIterator[Note]:
    """One note per conversation; the raw reply as a rejected note when it holds no question."""
    first = ask.round * options.per_round
    kinds = [options.kinds[(first + i) % len(options.kinds)] for i in range(options.per_round)]
    for note in await asyncio.gather(*(converse(chunk, ask, kind, options.top_logprobs) for kind in kinds)):
        yield note


async def converse(chunk: Chunk, ask: Ask, kind: Kind, top_logprobs: int) -> Note:
    """A question of this kind and its answer, both with the chunk at hand."""
    asked = await ask("self_study_ask", chunk, kind=ASKS[kind])
    question = find_question(asked.text)
    if not question or not is_whole(asked):
        return unparsed(asked)
    reply = await ask("self_study_answer", chunk, question=question, top_logprobs=top_logprobs)
    prompt = f"Question: {question}\nAnswer: "
    return Note(f"{prompt}{reply.text}", reply, strategy_text=kind, answer_start=len(prompt) if reply.token_ids else 0)


def find_question(text: str) -> str:
    """The first line that is not empty, without a "Question:" before it; "" when it holds no word."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    question = line.removeprefix("Question:").strip(" *")
    return question if any(character.isalpha() for character in question) else ""


STRATEGY = Strategy("self_study", SelfStudy, study, templates=("self_study_ask", "self_study_answer"))
