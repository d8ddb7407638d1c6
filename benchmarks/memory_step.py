"""Times one training step of memory beside LoRA and full finetuning, and the lookup at 65 thousand and 1 million slots.

    python benchmarks/memory_step.py

All rivals take the same batch on the same model in bf16 autocast, in turns, in one process; figures are ratios of
medians. Copy bandwidth is what this machine copies of 512 MiB in fp32, read and written bytes counted; the lookup's
share counts the value rows that it reads. The whole table goes to docs/results/, the last line is one JSON object.
"""

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from invented_people import DATA, General, check_data, measure_recall, read_background, train_people
from people import invent_facts

from train.config import LoraOptions, MemoryOptions
from train.data import Sample, pad
from train.loop import next_token_loss
from train.memory.attach import fit_background
from train.memory.layer import Memory
from train.memory.product_key import ProductKeys
from train.methods.memory import MemoryMethod
from train.methods.registry import start_method
from train.model import load_model

RESULTS = Path(__file__).parent.parent / "docs" / "results"
LORA = LoraOptions(lr=1e-3)  # the rate at which LoRA learned the invented people fastest
SMALL, LARGE = 256, 1024  # half keys: 65,536 and 1,048,576 slots


def make_batch(rows: int, length: int) -> Any:
    """Random tokens."""
    draw = torch.Generator().manual_seed(0)
    return pad([Sample(torch.randint(100, 40_000, (length,), generator=draw).tolist()) for _ in range(rows)])


def step_of(options: Any, batch: Any, model: str) -> Callable[[], Any]:
    """One training step of a method of ours."""
    network = load_model(model).network
    method = start_method(network, options, seed=0)
    if isinstance(method, MemoryMethod):
        for memory in method.memories.values():
            memory.num_background.fill_(100)  # a background that reads no slot: every step moves its full top_t

    def step() -> None:
        method.begin()
        next_token_loss(network, batch).backward()
        method.update(batch, 1.0)

    return step


def full_step(batch: Any, model: str) -> Callable[[], Any]:
    """One step of full finetuning: fp32 weights, bf16 autocast, AdamW."""
    network = load_model(model, bf16=False).network.requires_grad_(True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = next_token_loss(network, batch)
        loss.backward()
        optimizer.step()

    return step


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
    memory = Memory(ProductKeys(size, num_keys, heads=4, k=16, half=64, seed=0), num_keys**2, size)
    memory.values.normal_(generator=torch.Generator().manual_seed(0))
    return memory


def copy_bandwidth(rounds: int) -> float:
    """Bytes read and written a second by a plain copy."""
    source = torch.ones(128 * 2**20)
    target = torch.empty_like(source)
    seconds = time_in_turns({"copy": lambda: target.copy_(source)}, rounds)["copy"]
    return 2 * source.numel() * 4 / seconds


def gather_bandwidth(num_keys: int, size: int, rounds: int) -> tuple[float, float]:
    """Bytes of value rows read a second: by the gather and weighted sum alone, and with the lookup of the slots."""
    memory = make_memory(num_keys, size)
    states = torch.randn(512, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        slots, weights = memory.keys(states)
        calls: dict[str, Callable[[], Any]] = {
            "gather": lambda: memory.read(memory.values, slots, weights),
            "whole": lambda: memory.look_up(states),
        }
        seconds = time_in_turns(calls, rounds)
    read = slots.numel() * size * 4
    return read / seconds["gather"], read / seconds["whole"]


def peak_mib() -> float:
    """Highest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--length", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    check_data(parser, args.data)
    batch = make_batch(args.rows, args.length)
    small, large = MemoryOptions(num_keys=SMALL), MemoryOptions(num_keys=LARGE)
    memory_small = step_of(small, batch, args.model)
    memory_small()
    before = peak_mib()
    memory_large = step_of(large, batch, args.model)
    memory_large()
    extra = peak_mib() - before
    tables = len(large.layers) * LARGE**2 * 576 * 4 / 2**20
    rivals = {
        "memory_65k": memory_small,
        "memory_1m": memory_large,
        "lora": step_of(LORA, batch, args.model),
        "full": full_step(batch, args.model),
    }
    seconds = time_in_turns(rivals, args.rounds)
    print(json.dumps(seconds), flush=True)
    copied = copy_bandwidth(args.rounds)
    gathered, whole = gather_bandwidth(LARGE, 576, args.rounds)
    del rivals, memory_small, memory_large
    general = read_background(args.data, load_model(args.model))
    recall = {name: seconds_to_recall(o, args, general) for name, o in {"memory": small, "lora": LORA}.items()}
    report(args, seconds, {"copy": copied, "gather": gathered, "lookup": whole}, extra / tables, recall)


class Reached(Exception):
    """Ends a training whose goal is reached."""


def seconds_to_recall(options: Any, args: argparse.Namespace, general: General, goal: float = 0.8) -> dict[str, float]:
    """Training seconds until both held-out recalls of the invented people reach the goal, looked at every 9 steps.

    `prepare` are the seconds for background statistics, which a model and its background need once.
    """
    loaded, facts, started = load_model(args.model), invent_facts(48), time.monotonic()
    method = start_method(loaded.network, options, seed=0)
    if isinstance(method, MemoryMethod):
        fit_background(loaded.network, method.memories, general.passages, general.questions)
    prepared, looked = time.monotonic() - started, 0.0
    started = time.monotonic()

    def look(step: int, *_: object) -> None:
        nonlocal looked
        if step % 9 == 0:
            at = time.monotonic()
            recall = min(measure_recall(loaded, facts))
            looked += time.monotonic() - at
            if recall >= goal:
                raise Reached

    try:
        train_people(loaded, method, facts, epochs=12, answers_only=True, seed=0, show=look)
        seconds = float("inf")
    except Reached:
        seconds = time.monotonic() - started - looked
    return {"train": seconds, "prepare": prepared}


def report(
    args: argparse.Namespace,
    seconds: dict[str, float],
    bandwidth: dict[str, float],
    extra: float,
    recall: dict[str, Any],
) -> None:
    """The whole table to a file, the figures to the last line."""
    figures = {
        "slots_1m_over_65k": round(seconds["memory_1m"] / seconds["memory_65k"], 3),
        "speedup_vs_lora": round(seconds["lora"] / seconds["memory_65k"], 3),
        "speedup_vs_full": round(seconds["full"] / seconds["memory_65k"], 3),
        "copy_bandwidth_share": round(bandwidth["gather"] / bandwidth["copy"], 3),
        "lookup_bandwidth_share": round(bandwidth["lookup"] / bandwidth["copy"], 3),
        "extra_memory_over_table": round(extra, 3),
        "time_to_recall_vs_lora": round(recall["memory"]["train"] / recall["lora"]["train"], 3),
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    whole = figures | {"step_sec": seconds, "bytes_per_sec": bandwidth, "seconds_to_recall": recall}
    (RESULTS / "memory_step.json").write_text(f"{json.dumps(whole, indent=2)}\n", encoding="utf-8")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
