"""Times our training loop with each method, and transformers' Trainer with LoRA (peft) and full finetuning beside it.

    python benchmarks/train_loop.py

All train on the same batch of random tokens, loss on all of them, on the same model with AdamW clipped to norm 1, in
bf16 autocast where the machine has instructions for it; a step is timed from the end of the one before, so that
batches, logs and schedules count. Each turn is a process of its own, so that its peak memory is its own too; rivals
take turns, figures are medians over the rounds.
`none` is a forward alone: `in_context` and `retrieval` are the same network with a longer prompt, they take no step.
The whole table goes to docs/results/train_loop.json, the last line printed is one JSON object.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from memory_step import RESULTS, peak_resident

from augment.models import find_model
from augment.precision import dtype_name
from train.config import Data, Train
from train.data import Corpus, Sample, pad
from train.loop import train_method
from train.methods.base import Method
from train.methods.memory import MemoryMethod
from train.methods.options import FullOptions, LoraOptions, MemoryOptions, Methods, PrefixOptions, TrainedOptions
from train.methods.prefix import PrefixMethod
from train.methods.registry import start_method
from train.model import load_model
from train.objectives import learned_logits

OURS: dict[str, TrainedOptions] = {
    "lora": LoraOptions(),
    "full": FullOptions(),
    "memory": MemoryOptions(),
    "memory_all": MemoryOptions(ranking="all"),
    "prefix": PrefixOptions(),
}
UNTRAINED = "none"
RIVALS = {"trainer_full": "full", "peft_lora": "lora"}
TURNS = ("lora", "peft_lora", "full", "trainer_full", "memory", "memory_all", "prefix", UNTRAINED)
WARM_UP = 2


class Clock:
    """Seconds between its ticks, those of the warm-up left out."""

    def __init__(self) -> None:
        self.ticks: list[float] = []

    def tick(self, *_: object) -> None:
        """Note the time."""
        self.ticks.append(time.perf_counter())

    def seconds(self) -> list[float]:
        """Of each step after the warm-up."""
        return [after - before for before, after in zip(self.ticks[WARM_UP - 1 :], self.ticks[WARM_UP:], strict=False)]


def random_rows(rows: int, length: int) -> list[list[int]]:
    """Token ids drawn at random."""
    draw = torch.Generator().manual_seed(0)
    return torch.randint(100, 40_000, (rows, length), generator=draw).tolist()


def time_ours(options: TrainedOptions, args: argparse.Namespace) -> list[float]:
    """Seconds of each step of our loop: an epoch is a batch."""
    samples = [Sample(row) for row in random_rows(args.rows, args.length)]
    method = start(options, samples, args.model)
    data = Data(passages="", questions="", replay_share=0, tokens_per_batch=args.rows * args.length)
    settings = Train(methods=Methods(), data=data, epochs=args.steps + WARM_UP)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "metrics.jsonl"
        train_method(method.network, method, Corpus(samples, [], []), settings, 0, log, clock.tick)
    return clock.seconds()


def start(options: TrainedOptions, samples: list[Sample], model: str) -> Method:
    """The method on the model, ready to train."""
    method = start_method(load_model(model).network, options, seed=0)
    if isinstance(method, PrefixMethod):
        method.fit(samples)
    if isinstance(method, MemoryMethod):
        for memory in method.memories.values():
            memory.pool.num_background.fill_(100)  # a background that reads no slot: every step moves its full top_t
    return method


def time_forward(args: argparse.Namespace) -> list[float]:
    """Seconds of each forward of the base model."""
    network = load_model(args.model).network
    batch, clock = pad([Sample(row) for row in random_rows(args.rows, args.length)]), Clock()
    with torch.no_grad():
        for _ in range(args.steps + WARM_UP):
            learned_logits(network, batch)
            clock.tick()
    return clock.seconds()


def time_trainer(name: str, args: argparse.Namespace) -> list[float]:
    """Seconds of each step of the Trainer."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Watch(TrainerCallback):
        """Tells the clock when a step ends."""

        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock.tick()

    clock = Clock()
    rows = random_rows(args.rows, args.length)
    data = [{"input_ids": row, "labels": row} for row in rows] * (args.steps + WARM_UP)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=args.rows,
            max_steps=args.steps + WARM_UP,
            bf16=dtype_name(torch.cuda.is_available()) == "bfloat16",
            use_cpu=not torch.cuda.is_available(),
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
        )
        Trainer(trainer_model(name, args.model), arguments, train_dataset=data, callbacks=[Watch()]).train()
    return clock.seconds()


def trainer_model(name: str, model: str) -> Any:
    """The model as the Trainer's users load it: in fp32 with the library's choices, autocast does the rest."""
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(str(find_model(model).path), dtype=torch.float32)
    if RIVALS[name] == "full":
        return network.requires_grad_(True)
    from peft import LoraConfig, get_peft_model

    options = LoraOptions()
    config = LoraConfig(r=options.rank, lora_alpha=options.alpha, target_modules=options.targets, task_type="CAUSAL_LM")
    return get_peft_model(network, config)


def run_in_process(name: str, args: argparse.Namespace) -> dict[str, float]:
    """One turn in a new process, whose last line is its figures."""
    command = [sys.executable, __file__, "--turn", name, "--model", args.model, "--steps", f"{args.steps}"]
    command += ["--rows", f"{args.rows}", "--length", f"{args.length}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def take_turn(name: str, args: argparse.Namespace) -> None:
    """What one process does."""
    if name in OURS:
        seconds = time_ours(OURS[name], args)
    else:
        seconds = time_trainer(name, args) if name in RIVALS else time_forward(args)
    print(json.dumps({"step_sec": statistics.median(seconds), "peak_bytes": peak_resident()}))


def summarise(turns: dict[str, list[dict[str, float]]], num_tokens: int) -> dict[str, Any]:
    """How many times as fast as its rival each of ours is, and by method tokens a second and peak memory."""
    step = {name: statistics.median(turn["step_sec"] for turn in rounds) for name, rounds in turns.items()}
    ratios = {
        f"{ours}_vs_{rival.removesuffix(f'_{ours}')}": round(step[rival] / step[ours], 3)
        for rival, ours in RIVALS.items()
    }
    methods = {
        name: {
            "tokens_per_sec": round(num_tokens / step[name]),
            "peak_gib": round(max(turn["peak_bytes"] for turn in rounds) / 2**30, 2),
        }
        for name, rounds in turns.items()
    }
    return ratios | {"methods": methods}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--length", type=int, default=32)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--turn", choices=TURNS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.turn:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        take_turn(args.turn, args)
        return
    turns: dict[str, list[dict[str, float]]] = {name: [] for name in TURNS}
    for _ in range(args.rounds):
        for name, rounds in turns.items():
            rounds.append(run_in_process(name, args))
            print(name, json.dumps(rounds[-1]), flush=True)
    write_results(summarise(turns, args.rows * args.length), turns, args)


def write_results(figures: dict[str, Any], turns: dict[str, list[dict[str, float]]], args: argparse.Namespace) -> None:
    """The whole table to a file, the figures to the last line."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    settings = {"rows": args.rows, "length": args.length, "steps": args.steps, "rounds": args.rounds}
    record = figures | {"model": args.model, **settings, "turns": turns}
    (RESULTS / "train_loop.json").write_text(f"{json.dumps(record, indent=2)}\n", encoding="utf-8")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
