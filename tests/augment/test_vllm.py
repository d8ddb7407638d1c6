"""The real engine on the real model: vLLM answers, counts tokens, and refuses what does not fit."""

import asyncio

import pytest

from augment.engines.base import Sampling, VllmEngine
from augment.engines.vllm import Vllm
from augment.errors import EngineError
from augment.models import find_model
from augment.records import Message


@pytest.mark.vllm
@pytest.mark.slow
def test_vllm_answers_with_the_default_model() -> None:
    async def ask() -> None:
        engine = Vllm(VllmEngine(max_model_len=512), find_model("smollm2-135m"), seed=0)
        sampling = Sampling(temperature=0, max_tokens=24)
        try:
            replies = await asyncio.gather(*(engine.generate([Message("user", q)], sampling) for q in questions))
            with pytest.raises(EngineError, match="leaves"):
                await engine.generate([Message("user", "far too long " * 400)], sampling)
        finally:
            await engine.close()
        assert "Paris" in replies[0].text
        assert all(0 < r.completion_tokens <= 24 and r.prompt_tokens > 10 for r in replies)
        assert {r.finish_reason for r in replies} <= {"stop", "length"}

    questions = ["What is the capital of France?", "Name three colours.", "What is two plus two?"]
    asyncio.run(ask())
