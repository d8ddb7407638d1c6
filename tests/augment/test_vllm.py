"""The real engine on the real model: vLLM answers, counts tokens, and refuses what does not fit."""

import asyncio
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any

import psutil
import pytest

from augment.config import AugmentFile
from augment.engines.base import Sampling, VllmEngine, check_engine
from augment.engines.vllm import Vllm
from augment.errors import ConfigError, DeadEngineError, EngineError
from augment.models import ModelFolder, find_model
from augment.plan import make_plan
from augment.records import Message
from augment.settings import load_settings


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


def engine_of(model: Path, **settings: Any) -> Vllm:
    return Vllm(VllmEngine(**settings), ModelFolder("tiny", model, ""), seed=0)


def test_settings_reach_vllm_and_options_win(tiny_model: Path) -> None:
    usual = engine_of(tiny_model).engine_arguments()
    assert usual["enable_prefix_caching"] is True and usual["tensor_parallel_size"] == 1
    assert "distributed_executor_backend" not in usual and usual["enforce_eager"]
    split = engine_of(tiny_model, tensor_parallel=2, gpus_per_actor=2, options={"dtype": "float16"}).engine_arguments()
    assert (split["tensor_parallel_size"], split["distributed_executor_backend"]) == (2, "mp")
    assert split["dtype"] == "float16" and "enforce_eager" not in split


@pytest.mark.parametrize("gpus", [0.5, 1, 3])
def test_a_model_is_not_split_over_more_gpus_than_an_actor_has(gpus: float) -> None:
    with pytest.raises(ConfigError, match=r"tensor_parallel is 4.*set augment.engine.gpus_per_actor=4"):
        check_engine(VllmEngine(tensor_parallel=4, gpus_per_actor=gpus))
    check_engine(VllmEngine(tensor_parallel=4, gpus_per_actor=4))


def test_units_of_a_chunk_stand_together_so_that_their_prompts_share_a_cached_prefix() -> None:
    file = Path(str(resources.files("pipelines"))) / "quickstart.yaml"
    plan = make_plan(load_settings(file, ["augment.engine={kind: echo}"], AugmentFile), file.parent)
    chunks = [(unit.chunk.document_id, unit.chunk.start) for unit in plan.units]
    strategies = [(*chunk, unit.strategy) for chunk, unit in zip(chunks, plan.units, strict=True)]
    for places in (chunks, strategies):
        assert len([place for place, _ in groupby(places)]) == len(set(places))
    assert chunks == sorted(chunks)


@pytest.mark.vllm
@pytest.mark.slow
def test_a_killed_engine_core_is_a_dead_engine() -> None:
    async def ask() -> None:
        engine = engine_of(find_model("smollm2-135m").path, max_model_len=512)
        try:
            question, sampling = [Message("user", "What?")], Sampling(max_tokens=400)
            assert (await engine.generate(question, Sampling(max_tokens=4))).completion_tokens > 0
            waiting = [asyncio.create_task(engine.generate(question, sampling)) for _ in range(8)]
            await asyncio.sleep(0.2)
            for process in psutil.Process().children(recursive=True):
                if "EngineCore" in " ".join([process.name(), *process.cmdline()]):
                    process.kill()
            errors = await asyncio.gather(*waiting, return_exceptions=True)
            assert {type(error) for error in errors} == {DeadEngineError}
        finally:
            await engine.close()

    asyncio.run(ask())
