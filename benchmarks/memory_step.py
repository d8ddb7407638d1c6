"""Times one training step of memory beside LoRA and full finetuning, and the lookup at 65 thousand and 1 million slots.

    python benchmarks/memory_step.py
    python benchmarks/memory_step.py --set 'memory.layers=[12,16,20]' --set 'memory.write_at="recurring"'

All rivals take the same batch on the same model in bf16 autocast, in turns, in one process; figures are ratios of
medians. Copy bandwidth is what this machine copies of 512 MiB in fp32, read and written bytes counted; the lookup's
share counts the value rows that it reads. The whole table goes to docs/results/, the last line is one JSON object.
"""

import argparse
import json
import multiprocessing
import re
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from invented_people import (
    DATA,
    TOKENS_PER_BATCH,
    General,
    check_data,
    make_corpus,
    measure_recall,
    prepare,
    read_background,
    read_options,
    train_people,
)
from people import invent_facts

from train.activations import ActivationCache
from train.config import Data
from train.data import Batch, Sample, epoch_batches, pad
from train.loop import take_step
from train.memory.layer import Memory
from train.memory.pool import Pool
from train.memory.product_key import ProductKeys
from train.methods.memory import MemoryMethod
from train.methods.options import FullOptions, LoraOptions, MemoryOptions
from train.methods.prefix import PrefixMethod
from train.methods.registry import start_method
from train.model import load_model

RESULTS = Path(__file__).parent.parent / "docs" / "results"
LORA = LoraOptions(lr=1e-3)  # the rate at which LoRA learned the invented people fastest
WIDTH = 576  # of the default model
SMALL, LARGE = 256, 1024  # half keys: 65,536 and 1,048,576 slots


def random_batch(rows: int, length: int) -> Batch:
    """Random tokens, loss on all of them."""
    draw = torch.Generator().manual_seed(0)
    return pad([Sample(torch.randint(100, 40_000, (length,), generator=draw).tolist()) for _ in range(rows)])


def people_batch(model: str) -> Batch:
    """A training batch of the invented people, loss on the answers alone."""
    corpus = make_corpus(load_model(model), invent_facts(48), answers_only=True)
    data = Data(passages="", questions="", replay_share=0, tokens_per_batch=TOKENS_PER_BATCH)
    return next(epoch_batches(corpus, data, seed=0, epoch=0))


def step_of(options: Any, batch: Batch, model: str, cached: bool = False) -> Callable[[], Any]:
    """One training step of a method of ours; `cached`: the states below the first memory are kept."""
    method = start_method(load_model(model).network, options, seed=0)
    if isinstance(method, PrefixMethod):
        method.fit([Sample(batch.ids[0].tolist())])
    if isinstance(method, MemoryMethod):
        for memory in method.memories.values():
            memory.pool.num_background.fill_(100)  # a background that reads no slot: every step moves its full top_t
    cache = ActivationCache(method.lowest_blocks()) if cached else None
    return lambda: take_step(method.network, method, [batch], 1.0, step=0, cache=cache)


def time_in_turns(steps: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median seconds of each, one call of each in every round, after a warm-up round."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds + 1):
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(times) for name, times in seconds.items()}


def make_memory(num_keys: int, size: int) -> Memory:
    """A memory with values."""
    memory = Memory(ProductKeys(size, num_keys, heads=4, k=16, half=64, seed=0), Pool(num_keys**2, size))
    memory.values.normal_(generator=torch.Generator().manual_seed(0))
    return memory


def bandwidths(num_keys: int, size: int, rounds: int) -> dict[str, float]:
    """Bytes a second, in turns: of a plain copy, of the gather and weighted sum, and of those with the lookup."""
    memory = make_memory(num_keys, size)
    states = torch.randn(512, size, generator=torch.Generator().manual_seed(1))
    source = torch.ones(128 * 2**20)
    target = torch.empty_like(source)
    with torch.no_grad():
        slots, weights = memory.keys(states)
        calls: dict[str, Callable[[], Any]] = {
            "copy": lambda: target.copy_(source),
            "gather": lambda: memory.read(memory.values, slots, weights),
            "lookup": lambda: memory.look_up(states),
        }
        seconds = time_in_turns(calls, rounds)
    read = slots.numel() * size * 4
    moved = {"copy": 2 * source.numel() * 4, "gather": read, "lookup": read}
    return {name: moved[name] / seconds[name] for name in calls}


def peak_bytes(options: MemoryOptions, batch: Batch, model: str) -> int:
    """Highest resident memory of a process that takes two steps with these tables."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(step_and_measure, options, batch, model).result()


def step_and_measure(options: MemoryOptions, batch: Batch, model: str) -> int:
    """What `peak_bytes` has its process do."""
    step = step_of(options, batch, model)
    step()
    step()
    return peak_resident()


def peak_resident() -> int:
    """Highest resident memory of this process in bytes; `ru_maxrss` would count that of the process that started it."""
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    assert peak, "Linux tells it"
    return int(peak[1]) * 1024


def extra_over_tables(options: MemoryOptions, batch: Batch, model: str) -> float:
    """How much more memory the large tables take than the small ones, over the difference of their sizes."""
    sizes = [len(options.layers) * num_keys**2 * WIDTH * 4 for num_keys in (SMALL, LARGE)]
    peaks = [peak_bytes(with_keys(options, num_keys), batch, model) for num_keys in (SMALL, LARGE)]
    return (peaks[1] - peaks[0]) / (sizes[1] - sizes[0])


def with_keys(options: MemoryOptions, num_keys: int) -> MemoryOptions:
    """The same with so many half keys."""
    return options.model_copy(update={"num_keys": num_keys})


def time_rivals(options: MemoryOptions, batch: Batch, args: argparse.Namespace) -> dict[str, float]:
    """Seconds of a step of each method on this batch."""
    small, large = with_keys(options, SMALL), with_keys(options, LARGE)
    rivals = {
        "memory_65k": step_of(small, batch, args.model),
        "memory_65k_cached": step_of(small, batch, args.model, cached=True),
        "memory_1m": step_of(large, batch, args.model),
        "lora": step_of(LORA, batch, args.model),
        "full": step_of(FullOptions(), batch, args.model),
    }
    return time_in_turns(rivals, args.rounds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--name", default="memory_step", help="of the file in docs/results")
    parser.add_argument("--set", action="append", default=[], metavar="memory.KEY=VALUE")
    args = parser.parse_args()
    check_data(parser, args.data)
    options = read_options("memory", args.set)
    batches = {"answers": people_batch(args.model), "all_tokens": random_batch(16, 32)}
    extra = extra_over_tables(options, batches["all_tokens"], args.model)
    seconds = {name: time_rivals(options, batch, args) for name, batch in batches.items()}
    print(json.dumps(seconds), flush=True)
    bandwidth = bandwidths(LARGE, WIDTH, 3 * args.rounds)
    general = read_background(args.data, load_model(args.model))
    rivals = {"memory": with_keys(options, SMALL), "lora": LORA}
    recall = {name: seconds_to_recall(options, args, general) for name, options in rivals.items()}
    figures = summarise(seconds, bandwidth, extra, recall)
    write_report(figures, args)


class Reached(Exception):
    """Ends a training whose goal is reached."""


def seconds_to_recall(options: Any, args: argparse.Namespace, general: General, goal: float = 0.8) -> dict[str, float]:
    """Training seconds until both held-out recalls of the invented people reach the goal, looked at every 9 steps.

    `prepare` are the seconds for background statistics, which a model and its background need once.
    """
    loaded, facts, started = load_model(args.model), invent_facts(48), time.monotonic()
    method = start_method(loaded.network, options, seed=0)
    if isinstance(method, MemoryMethod):
        prepare(loaded, method, facts, general)
    prepared, looked = time.monotonic() - started, 0.0
    started = time.monotonic()

    def look(step: int, *_: object) -> None:
        nonlocal looked
        if step % 9 == 0:
            at = time.monotonic()
            recall = min(measure_recall(loaded, facts).values())
            looked += time.monotonic() - at
            if recall >= goal:
                raise Reached

    try:
        train_people(loaded, method, facts, epochs=12, answers_only=True, seed=0, show=look)
        seconds = float("inf")
    except Reached:
        seconds = time.monotonic() - started - looked
    return {"train": seconds, "prepare": prepared}


def summarise(
    seconds: dict[str, dict[str, float]], bandwidth: dict[str, float], extra: float, recall: dict[str, dict[str, float]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The figures, and what they were made of."""
    figures: dict[str, Any] = {name: ratios(steps) for name, steps in seconds.items()}
    figures |= {
        "copy_bandwidth_share": round(bandwidth["gather"] / bandwidth["copy"], 3),
        "lookup_bandwidth_share": round(bandwidth["lookup"] / bandwidth["copy"], 3),
        "extra_memory_over_table": round(extra, 3),
        "time_to_recall_vs_lora": round(recall["memory"]["train"] / recall["lora"]["train"], 3),
        "time_to_recall_vs_lora_with_preparation": round(sum(recall["memory"].values()) / recall["lora"]["train"], 3),
    }
    return figures, {"step_sec": seconds, "bytes_per_sec": bandwidth, "seconds_to_recall": recall}


def write_report(found: tuple[dict[str, Any], dict[str, Any]], args: argparse.Namespace) -> None:
    """The whole table to a file, the figures to the last line."""
    figures, parts = found
    RESULTS.mkdir(parents=True, exist_ok=True)
    whole = json.dumps(figures | parts | {"set": args.set}, indent=2)
    (RESULTS / f"{args.name}.json").write_text(f"{whole}\n", encoding="utf-8")
    print(json.dumps(figures))


def ratios(seconds: dict[str, float]) -> dict[str, float]:
    """How much slower the rivals of the cached memory step are, and what slots and cache make of it."""
    cached, plain = seconds["memory_65k_cached"], seconds["memory_65k"]
    return {
        "slots_1m_over_65k": round(seconds["memory_1m"] / plain, 3),
        "speedup_by_cache": round(plain / cached, 3),
        "speedup_vs_lora": round(seconds["lora"] / cached, 3),
        "speedup_vs_full": round(seconds["full"] / cached, 3),
    }


if __name__ == "__main__":
    main()
