"""The real engine on the real model: vLLM answers, counts tokens, and refuses what does not fit."""

import asyncio
import math
from importlib import resources
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from augment.config import AugmentFile
from augment.engines.base import Sampling, VllmEngine, check_engine
from augment.engines.failures import explain_start
from augment.engines.registry import start_engine
from augment.engines.vllm import Vllm, with_logprobs
from augment.errors import ConfigError, DeadEngineError, EngineError, StoppedError
from augment.models import ModelFolder, find_model
from augment.plan import iterate_units, make_plan
from augment.records import Message, Reply
from augment.settings import load_settings


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


def test_a_model_without_a_chat_template_stops_the_run_at_every_request(tiny_model: Path) -> None:
    engine = engine_of(tiny_model)
    for _ in range(2):
        with pytest.raises(StoppedError, match="tiny has no chat template; use an instruction-tuned model"):
            asyncio.run(engine.generate([Message("user", "What?")], Sampling()))


def test_vllm_that_is_not_installed_is_one_line(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(StoppedError, match=r"vLLM is not installed; pip install 'ingrain\[vllm\]'"):
        start_engine(VllmEngine(), ModelFolder("tiny", tiny_model, ""), 0)


def test_the_cause_of_a_failed_start_is_found_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "worker.err"
    log.write_text(
        "(EngineCore pid=7) ValueError: first\n  File x\nRuntimeError: no memory\n is left for kv\n0.1 ERROR x\n"
    )
    failed = explain_start(RuntimeError("Engine core initialization failed. See root cause above."), log)
    assert str(failed) == f"vLLM does not start: RuntimeError: no memory; change `model` or augment.engine (log: {log})"
    assert "TypeError: no foo; " in str(explain_start(TypeError("no foo"), log))
    assert "log: " not in str(explain_start(TypeError("no foo"), tmp_path / "none"))


@pytest.mark.vllm
@pytest.mark.slow
def test_an_engine_that_does_not_start_stops_the_run(tiny_model: Path) -> None:
    engine = engine_of(tiny_model, options={"foo": 1})
    engine.tokenizer.chat_template = "{{ messages }}"
    for _ in range(2):
        with pytest.raises(StoppedError, match=r"does not start: TypeError: .*unexpected keyword argument 'foo'"):
            asyncio.run(engine.generate([Message("user", "What?")], Sampling()))


def test_units_of_a_chunk_stand_together_so_that_their_prompts_share_a_cached_prefix() -> None:
    file = Path(str(resources.files("pipelines"))) / "quickstart.yaml"
    plan = make_plan(load_settings(file, ["augment.engine={kind: echo}"], AugmentFile), file.parent)
    units = [unit for units in iterate_units(plan) for unit in units]
    chunks = [(unit.chunk.document_id, unit.chunk.start) for unit in units]
    strategies = [(*chunk, unit.strategy) for chunk, unit in zip(chunks, units, strict=True)]
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
