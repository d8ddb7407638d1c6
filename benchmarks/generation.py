"""Tokens a second of `augment run` on vLLM, beside plain `vllm.LLM.chat` and `ray.data.llm` on the same requests.

    python benchmarks/generation.py

Requests are the prompts of `paraphrase` about the invented corpus. All rivals have the same model, engine options and
sampling, and take turns, each turn in a process of its own, one engine at a time; figures are ratios of medians.
What is timed, the same way for all: from the moment the first request comes to the loaded engine until all results
are where the caller has them (outputs of `chat`, rows of the dataset in the driver, or committed shards). So the start
of Ray, actors and engine is left out, and their end. Tokens are the engine's own counts. The seconds in which `augment
run` ends its engine and writes the card are printed beside. Our engine samples the nucleus without a sort and keeps
freed memory on a CPU; `vllm_as_ours` is `LLM.chat` with both, so that the pipeline's own cost shows.
The whole table goes to docs/results/, the last line is one JSON object.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from augment.config import AugmentFile
from augment.engines.base import Sampling
from augment.engines.vllm import KEEP_FREED_MEMORY, Vllm, set_environment
from augment.plan import Plan, iterate_units, make_plan
from augment.records import Message, Reply
from augment.study import Study

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "docs" / "results"
ENGINE_START = "engine_start.json"
NUM_LOGICAL_CPUS = 8  # ray.data.llm wants one for each of its stages; on fewer it would wait for ever


def plan_requests(args: argparse.Namespace, out: Path) -> Plan:
    """A plan of exactly `args.requests` units of one request each: so many chunks of the corpus, a document each."""
    corpus = plan_documents(ROOT / "pipelines" / "corpus" / "documents", args, out)
    texts = [units[0].chunk.text for units in islice(iterate_units(corpus), args.requests)]
    (out / "documents").mkdir(parents=True)
    for i in range(args.requests):
        (out / "documents" / f"{i:05}.md").write_text(texts[i % len(texts)], encoding="utf-8")
    return plan_documents(out / "documents", args, out / "run")


def plan_documents(folder: Path, args: argparse.Namespace, out: Path) -> Plan:
    """One paraphrase of each chunk of the documents."""
    engine = {"kind": "vllm", "max_model_len": 1024, "kv_cache_gib": args.kv_cache_gib}
    # With statistics vLLM tells when a request arrived; all rivals pay for them.
    engine["options"] = {"disable_log_stats": False}
    augment = {
        "documents": {"path": str(folder)},
        "chunks": {"max_tokens": 64},
        "engine": engine,
        "sampling": {"temperature": 0.8, "max_tokens": args.max_tokens},
        "strategies": {"paraphrase": {}},
    }
    settings = AugmentFile.model_validate({"out": str(out), "model": args.model, "augment": augment})
    return make_plan(settings, ROOT)


class Recorder:
    """An engine that keeps what it is asked."""

    def __init__(self) -> None:
        self.requests: list[list[dict[str, str]]] = []

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        """Keep the request as rivals want it."""
        self.requests.append([{"role": m.role, "content": m.content} for m in messages])
        return Reply("A reply.", "stop", 1, 1)

    async def close(self) -> None:
        """Nothing was started."""


def list_requests(plan: Plan) -> list[list[dict[str, str]]]:
    """The conversations that the plan's units ask for."""
    recorder = Recorder()
    units = [unit for units in iterate_units(plan) for unit in units]
    asyncio.run(Study(plan.settings, plan.templates, plan.model, recorder).do_all(units))
    return recorder.requests


def engine_arguments(plan: Plan, is_plain: bool = True) -> dict[str, Any]:
    """What our engine gives to vLLM, for the rivals; logging of requests is off in both and no option of theirs.

    Plain rivals have vLLM's own nucleus sampling and the allocator's own habits.
    """
    assert plan.model is not None and plan.settings.augment.engine.kind == "vllm"
    set_environment(plan.settings.augment.engine)
    for name in KEEP_FREED_MEMORY if is_plain else ():
        del os.environ[name]
    arguments = Vllm(plan.settings.augment.engine, plan.model, plan.settings.seed).engine_arguments()
    left_out = {"enable_log_requests"} | ({"logits_processors"} if is_plain else set())
    return {name: value for name, value in arguments.items() if name not in left_out}


def sampling_of(plan: Plan) -> dict[str, Any]:
    """Sampling as rivals want it."""
    return dict(plan.settings.augment.sampling.model_dump(exclude={"top_logprobs"}))


def run_ours(plan: Plan) -> dict[str, float]:
    """`augment run` without its command line."""
    from augment import generate, pool
    from augment.commit import Committer

    class TimedActor(pool.StudyActor):
        """Notes the time at which the loaded engine gets its first block of units."""

        async def do(self, block: Any) -> dict[str, Any]:
            engine = self.attempts.study.engine
            if engine.llm is None:  # type: ignore[attr-defined]
                engine.start()  # type: ignore[attr-defined]
                (self.folder.parent / ENGINE_START).write_text(json.dumps(time.time()), encoding="utf-8")
            return await super().do(block)

    ended = 0.0

    class TimedCommitter(Committer):
        """Notes the time of the last commit."""

        def commit(self) -> None:
            nonlocal ended
            super().commit()
            ended = time.time()

    pool.StudyActor, generate.Committer = TimedActor, TimedCommitter  # type: ignore[misc]
    tally = generate.generate(plan).tally
    started = json.loads((plan.out / ENGINE_START).read_text(encoding="utf-8"))
    return {"seconds": ended - started, "tokens": tally.completion_tokens, "end_sec": time.time() - ended}


def run_vllm(plan: Plan) -> dict[str, float]:
    """One call of `LLM.chat` with all requests."""
    return chat(plan, engine_arguments(plan), sampling_of(plan))


def run_vllm_as_ours(plan: Plan) -> dict[str, float]:
    """The same with what our engine does to vLLM: the rest is what the pipeline costs."""
    sampling = sampling_of(plan)
    extra = {"nucleus": sampling.pop("top_p")}
    return chat(plan, engine_arguments(plan, is_plain=False), sampling | {"extra_args": extra})


def chat(plan: Plan, arguments: dict[str, Any], sampling: dict[str, Any]) -> dict[str, float]:
    """All requests to one `LLM`."""
    requests = list_requests(plan)
    from vllm import LLM, SamplingParams

    llm = LLM(**arguments)
    started = time.time()
    outputs = llm.chat(requests, SamplingParams(**sampling), use_tqdm=False)
    seconds = time.time() - started
    llm.llm_engine.engine_core.shutdown()  # the process waits for its engine for ever otherwise
    return {"seconds": seconds, "tokens": sum(len(output.outputs[0].token_ids) for output in outputs)}


def run_ray_data_llm(plan: Plan) -> dict[str, float]:
    """A processor of ray.data.llm with its defaults, all rows brought to the driver."""
    arguments, requests = engine_arguments(plan), list_requests(plan)
    import ray
    from ray.data.llm import build_processor, vLLMEngineProcessorConfig

    os.environ.setdefault("RAY_worker_niceness", "0")  # as ours
    ray.init(log_to_driver=False, logging_level="ERROR", include_dashboard=False, num_cpus=NUM_LOGICAL_CPUS)
    ray.data.DataContext.get_current().enable_progress_bars = False
    config = vLLMEngineProcessorConfig(
        model_source=arguments.pop("model"),
        engine_kwargs=arguments,
        placement_group_config={"bundle_per_worker": {"CPU": 1}},  # it asks for a GPU otherwise
        log_engine_metrics=False,  # they need ray[serve]
    )
    processor = build_processor(
        config,
        preprocess=lambda row: {"messages": row["messages"], "sampling_params": sampling_of(plan)},
        postprocess=lambda row: {n: row[n] for n in ("generated_text", "num_generated_tokens", "metrics")},
    )
    rows = list(processor(ray.data.from_items([{"messages": request} for request in requests])).iter_rows())
    ended = time.time()
    started = min(row["metrics"]["arrival_time"] for row in rows)
    return {"seconds": ended - started, "tokens": sum(row["num_generated_tokens"] for row in rows)}


RIVALS: dict[str, Callable[[Plan], dict[str, float]]] = {
    "augment": run_ours,
    "vllm": run_vllm,
    "vllm_as_ours": run_vllm_as_ours,
    "ray_data_llm": run_ray_data_llm,
}


def take_turns(args: argparse.Namespace) -> Iterator[tuple[str, dict[str, float]]]:
    """One turn of each rival in every round, each round in another order."""
    names = args.rivals
    for turn in range(args.rounds):
        first = turn % len(names)
        for name in [*names[first:], *names[:first]]:
            yield name, run_in_process(name, args)


def run_in_process(name: str, args: argparse.Namespace) -> dict[str, float]:
    """One turn: `--turn NAME` in a new process, whose last line is its figures."""
    command = [sys.executable, __file__, "--turn", name, "--requests", f"{args.requests}"]
    command += ["--max-tokens", f"{args.max_tokens}", "--model", args.model, "--kv-cache-gib", f"{args.kv_cache_gib}"]
    with tempfile.TemporaryFile("w+") as log:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT)
        if done.returncode:
            log.seek(0)
            raise SystemExit(f"{name} failed:\n{done.stdout[-2000:]}{log.read()[-4000:]}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def take_turn(name: str, args: argparse.Namespace) -> None:
    """What one process does."""
    os.environ.setdefault("PYTHONPATH", str(ROOT))
    with tempfile.TemporaryDirectory(prefix="generation-") as out:
        figures = RIVALS[name](plan_requests(args, Path(out)))
    print(f"\n{json.dumps(figures | {'tokens_per_sec': figures['tokens'] / figures['seconds']})}", flush=True)


def report(turns: dict[str, list[dict[str, float]]], args: argparse.Namespace) -> None:
    """The whole table to a file, the figures to the last line."""
    speed = {name: statistics.median(turn["tokens_per_sec"] for turn in rounds) for name, rounds in turns.items()}
    figures: dict[str, Any] = {
        f"ratio_vs_{name}": round(speed["augment"] / speed[name], 3) for name in speed if name != "augment"
    }
    figures |= {f"{name}_tokens_per_sec": round(value, 1) for name, value in speed.items()}
    figures |= {"requests": args.requests, "max_tokens": args.max_tokens, "rounds": args.rounds}
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps(figures | {"turns": turns}, indent=2)
    (RESULTS / "generation.json").write_text(f"{text}\n", encoding="utf-8")
    print(json.dumps(figures))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--requests", type=int, default=128)
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kv-cache-gib", type=int, default=1)
    parser.add_argument("--rivals", nargs="+", default=list(RIVALS), choices=list(RIVALS))
    parser.add_argument("--turn", choices=list(RIVALS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.turn:
        take_turn(args.turn, args)
        return
    turns: dict[str, list[dict[str, float]]] = {name: [] for name in args.rivals}
    for name, figures in take_turns(args):
        turns[name].append(figures)
        print(name, json.dumps(figures), flush=True)
    report(turns, args)


if __name__ == "__main__":
    main()
