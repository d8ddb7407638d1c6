"""The engine without vLLM: batches of waiting requests, their ends, the likeliest tokens, errors in one line."""

import asyncio
import math
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import torch

from augment.engines.base import Sampling, TransformersEngine
from augment.engines.registry import start_engine
from augment.engines.transformers import Transformers
from augment.errors import RequestError, StoppedError
from augment.models import ModelFolder, find_model
from augment.records import Message, Reply

GREEDY = Sampling(temperature=0, max_tokens=8)


def ask(model: ModelFolder, do: Callable[[Transformers], Awaitable[list[Reply]]], **settings: int) -> list[Reply]:
    async def run() -> list[Reply]:
        engine = start_engine(TransformersEngine(max_model_len=256, **settings), model, seed=0)
        assert isinstance(engine, Transformers)
        try:
            return await do(engine)
        finally:
            await engine.close()

    return asyncio.run(run())


def all_of(*texts: str, sampling: Sampling = GREEDY) -> Callable[[Transformers], Awaitable[list[Reply]]]:
    async def do(engine: Transformers) -> list[Reply]:
        return list(await asyncio.gather(*(engine.generate([Message("user", text)], sampling) for text in texts)))

    return do


@pytest.fixture
def chatty(tiny_model: Path, tmp_path: Path) -> ModelFolder:
    folder = shutil.copytree(tiny_model, tmp_path / "chatty")
    (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
    return ModelFolder("tiny", folder, "")


def test_the_real_model_answers_in_a_batch_as_alone() -> None:
    questions = ["What is the capital of France?", "What is two plus two, and what is the capital of Italy then?"]
    together = ask(find_model("smollm2-135m"), all_of(*questions))
    alone = ask(find_model("smollm2-135m"), all_of(questions[0]))
    assert "Paris" in together[0].text and alone[0].text == together[0].text
    assert together[0].finish_reason == "stop" and together[0].token_ids == ()
    assert together[0].prompt_tokens < together[1].prompt_tokens and 0 < together[0].completion_tokens <= 8


def test_batches_are_no_larger_than_told_and_hold_one_sampling(chatty: ModelFolder) -> None:
    sizes: list[tuple[int, int]] = []

    async def do(engine: Transformers) -> list[Reply]:
        answer = engine.answer

        def counted(prompts: list[list[int]], sampling: Sampling) -> list[Reply]:
            sizes.append((len(prompts), sampling.max_tokens))
            return answer(prompts, sampling)

        engine.answer = counted  # type: ignore[method-assign, assignment]
        short = GREEDY.model_copy(update={"max_tokens": 2})
        return await all_of(*"abcde")(engine) + await all_of("f", "g", sampling=short)(engine)

    replies = ask(chatty, do, max_batch=2)
    assert len(replies) == 7 and [r.completion_tokens for r in replies[5:]] == [2, 2]
    assert sorted(sizes) == [(1, 8), (2, 2), (2, 8), (2, 8)]


def test_the_likeliest_tokens_come_back_best_first(chatty: ModelFolder) -> None:
    [reply] = ask(chatty, all_of("tell", sampling=GREEDY.model_copy(update={"top_logprobs": 3})))
    assert len(reply.token_ids) == reply.completion_tokens == len(reply.top_ids) == len(reply.top_logprobs)
    assert [top[0] for top in reply.top_ids] == list(reply.token_ids)  # at temperature 0 the likeliest is taken
    for values in reply.top_logprobs:
        assert list(values) == sorted(values, reverse=True) and sum(map(math.exp, values)) <= 1


def test_draws_differ_and_the_seed_repeats_them(chatty: ModelFolder) -> None:
    hot = Sampling(temperature=1.5, top_p=1, max_tokens=8)
    first, second = ask(chatty, all_of("tell", "tell", sampling=hot))
    again = ask(chatty, all_of("tell", "tell", sampling=hot))
    assert first.text != second.text and [first.text, second.text] == [reply.text for reply in again]


def test_what_does_not_fit_is_refused_alone(chatty: ModelFolder) -> None:
    with pytest.raises(RequestError, match="of 256 for the reply"):
        ask(chatty, all_of("far too long " * 400))


def test_a_model_without_turns_or_memory_stops_the_run(chatty: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Transformers, "start", no_memory)
    with pytest.raises(StoppedError, match="no memory for 2 replies"):
        ask(chatty, all_of("one", "two"))
    (chatty.path / "chat_template.jinja").unlink()
    with pytest.raises(StoppedError, match="no chat template"):
        Transformers(TransformersEngine(), chatty, seed=0)
