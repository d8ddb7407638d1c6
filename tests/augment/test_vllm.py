"""The real engine on the real model: vLLM answers, counts tokens, and refuses what does not fit."""

import asyncio
import math
from types import SimpleNamespace

import pytest

from augment.engines.base import Sampling, VllmEngine
from augment.engines.vllm import Vllm, with_logprobs
from augment.errors import EngineError
from augment.models import find_model
from augment.records import Message, Reply


@pytest.mark.vllm
@pytest.mark.slow
def test_vllm_answers_with_the_default_model() -> None:
    async def ask() -> None:
        engine = Vllm(VllmEngine(max_model_len=512), find_model("smollm2-135m"), seed=0)
        sampling = Sampling(temperature=0, max_tokens=24)
        try:
            scored = await engine.generate(
                [Message("user", questions[0])], sampling.model_copy(update={"top_logprobs": 3})
            )
            replies = await asyncio.gather(*(engine.generate([Message("user", q)], sampling) for q in questions))
            with pytest.raises(EngineError, match="leaves"):
                await engine.generate([Message("user", "far too long " * 400)], sampling)
        finally:
            await engine.close()
        assert "Paris" in replies[0].text and replies[0].token_ids == ()
        assert scored.text == replies[0].text and len(scored.token_ids) == scored.completion_tokens
        assert engine.tokenizer.decode(scored.token_ids, skip_special_tokens=True).strip() == scored.text
        assert [top[0] for top in scored.top_ids] == list(scored.token_ids)  # at temperature 0 the likeliest is taken
        for ids, values in zip(scored.top_ids, scored.top_logprobs, strict=True):
            assert len(set(ids)) == 3 and list(values) == sorted(values, reverse=True)
            assert sum(math.exp(value) for value in values) <= 1.0001
        assert all(0 < r.completion_tokens <= 24 and r.prompt_tokens > 10 for r in replies)
        assert {r.finish_reason for r in replies} <= {"stop", "length"}

    questions = ["What is the capital of France?", "Name three colours.", "What is two plus two?"]
    asyncio.run(ask())


@pytest.mark.vllm
@pytest.mark.slow
def test_a_drawn_token_that_is_not_among_the_likeliest_is_left_out_of_them() -> None:
    from vllm.logprobs import Logprob

    first = {7: Logprob(-4.0, 9), 1: Logprob(-0.5, 1), 3: Logprob(-1.5, 2)}  # 7 was drawn: vLLM gives k + 1 entries
    second = {2: Logprob(-0.1, 1), 5: Logprob(-3.0, 2)}
    reply = with_logprobs(Reply("x", "stop", 1, 2), SimpleNamespace(token_ids=[7, 2], logprobs=[first, second]), 2)
    assert reply.token_ids == (7, 2)
    assert reply.top_ids == ((1, 3), (2, 5)) and reply.top_logprobs == ((-0.5, -1.5), (-0.1, -3.0))
