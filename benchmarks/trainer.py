"""Times a training step of each method in our loop, and of LoRA and full finetuning in transformers' Trainer.

    python benchmarks/trainer.py

All take the same batch of random tokens, loss on all of them, on the same model in bf16 autocast with AdamW. Each turn
is a process of its own, so that its peak memory is its own too; rivals take turns, figures are ratios of medians over
the rounds. The whole table goes to docs/results/trainer.json, the last line printed is one JSON object.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch
from memory_step import RESULTS, peak_resident, random_batch, step_of

from augment.models import find_model
from train.methods.options import OPTIONS, LoraOptions

OURS = ("lora", "full", "memory", "prefix")
THEIRS = ("trainer_lora", "trainer_full")
WARM_UP = 2


def time_ours(name: str, args: argparse.Namespace) -> list[float]:
    """Seconds of each step after the warm-up."""
    step = step_of(OPTIONS[name](), random_batch(args.rows, args.length), args.model)
    return [time_call(step) for _ in range(args.steps + WARM_UP)][WARM_UP:]


def time_call(call: Callable[[], Any]) -> float:
    """Its seconds."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def time_trainer(name: str, args: argparse.Namespace) -> list[float]:
    """Seconds of each step of the Trainer after the warm-up: from the batch to the moved weights."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Clock(TrainerCallback):
        """Notes when steps begin and end."""

        def __init__(self) -> None:
            self.started, self.seconds = 0.0, list[float]()

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.started = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.seconds.append(time.perf_counter() - self.started)

    rows = random_batch(args.rows, args.length).ids.tolist()
    data = [{"input_ids": row, "labels": row} for row in rows] * (args.steps + WARM_UP)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=args.rows,
            max_steps=args.steps + WARM_UP,
            bf16=True,
            use_cpu=not torch.cuda.is_available(),
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
        )
        Trainer(trainer_model(name, args.model), arguments, train_dataset=data, callbacks=[clock]).train()
    return clock.seconds[WARM_UP:]


def trainer_model(name: str, model: str) -> Any:
    """The model as the Trainer's users load it: in fp32 with the library's choices, autocast does the rest."""
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(str(find_model(model).path), dtype=torch.float32)
    if name == "trainer_full":
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
    seconds = time_trainer(name, args) if name in THEIRS else time_ours(name, args)
    print(json.dumps({"step_sec": statistics.median(seconds), "peak_bytes": peak_resident()}))


def summarise(turns: dict[str, list[dict[str, float]]], num_tokens: int) -> dict[str, Any]:
    """Ratios, and by method tokens a second and peak memory."""
    step = {name: statistics.median(turn["step_sec"] for turn in rounds) for name, rounds in turns.items()}
    figures: dict[str, Any] = {
        f"{n}_trainer_over_ours": round(step[f"trainer_{n}"] / step[n], 3) for n in ("lora", "full")
    }
    figures |= {f"{name}_tokens_per_sec": round(num_tokens / sec) for name, sec in step.items()}
    peaks = {name: max(turn["peak_bytes"] for turn in rounds) for name, rounds in turns.items()}
    return figures | {f"{name}_peak_gib": round(peak / 2**30, 2) for name, peak in peaks.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--length", type=int, default=32)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--turn", choices=[*OURS, *THEIRS], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.turn:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        take_turn(args.turn, args)
        return
    turns: dict[str, list[dict[str, float]]] = {name: [] for name in (*OURS, *THEIRS)}
    for _ in range(args.rounds):
        for name in turns:
            turns[name].append(run_in_process(name, args))
            print(name, json.dumps(turns[name][-1]), flush=True)
    figures = summarise(turns, args.rows * args.length)
    record = figures | {"rows": args.rows, "length": args.length, "rounds": args.rounds, "turns": turns}
    (RESULTS / "trainer.json").write_text(f"{json.dumps(record, indent=2)}\n", encoding="utf-8")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
