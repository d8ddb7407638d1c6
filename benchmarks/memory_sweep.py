"""Runs many variants of the invented-people benchmark, several at once, and prints one table of them.

    python benchmarks/memory_sweep.py variants.jsonl --workers 8 --out docs/results/memory_sweep.jsonl

A line of the file is a variant: `{"name": "layers 2, 4", "set": {"layers": [2, 4]}}`, and where they differ from the
defaults `method`, `facts`, `epochs`, `tokens` (a batch's), `seeds`, `about`, `model`. Each seed is a run, whose row is
written when it ends; with `--seconds` none begins after that time. Measured is what invented_people.py measures.
"""

import argparse
import copy
import json
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

import invented_people
import torch
from invented_people import DATA, General, choose_facts, read_background, run_once

from augment.errors import IngrainError
from train.evaluate.likelihood import measure_likelihood
from train.methods.options import OPTIONS
from train.model import Loaded, load_model

DEFAULTS: dict[str, Any] = {
    "method": "memory",
    "facts": 48,
    "epochs": 8,
    "tokens": 320,
    "seeds": [0],
    "about": "people",
    "model": "smollm2-135m",
    "questions": 1600,
    "passages": 200,
    "set": {},
}
FIGURES = ("recall_question", "recall_cloze", "known_kept", "nll_ratio", "train_sec")


def list_runs(path: Path, model: str) -> Iterator[dict[str, Any]]:
    """A run for each variant and seed."""
    for line in filter(str.strip, path.read_text(encoding="utf-8").splitlines()):
        variant = DEFAULTS | {"model": model} | json.loads(line)
        if unknown := variant.keys() - DEFAULTS.keys() - {"name"}:
            raise SystemExit(f"error: unknown key {min(unknown)} in a variant; known: name, {', '.join(DEFAULTS)}")
        yield from ({**variant, "seed": seed} for seed in variant["seeds"])


@cache
def base_model(name: str) -> Loaded:
    """The model as it is; runs train copies."""
    return load_model(name)


@cache
def known_of(model: str, data: Path) -> list[dict[str, Any]]:
    """The known set of a model, which takes its answers to find."""
    asked = invented_people.read_lines(data / "triviaqa_test_dev.jsonl")[: invented_people.NUM_QUESTIONS]
    base = base_model(model)
    return invented_people.still_known(base, invented_people.still_known(base, asked))


@cache
def background_of(model: str, data: Path, questions: int, passages: int) -> tuple[General, float]:
    """The background, and the base model's likelihood of general text."""
    general = read_background(data, base_model(model), questions, passages)
    return general, measure_likelihood(base_model(model), general.held_out).nll


def run_variant(run: dict[str, Any], known: list[dict[str, Any]], data: Path, deadline: float) -> dict[str, Any] | None:
    """One run's row, None when it is too late to begin."""
    if time.time() > deadline:
        return None
    if torch.cuda.is_available():
        torch.set_num_threads(1)  # the runs beside this one need the other cores
    invented_people.TOKENS_PER_BATCH = run["tokens"]
    base = base_model(run["model"])
    general, nll = background_of(run["model"], data, run["questions"], run["passages"])
    general = replace(general, known=known)
    args = argparse.Namespace(
        about=run["about"], facts=run["facts"], data=data, epochs=run["epochs"], answers_only=True
    )
    facts = choose_facts(args, base)
    loaded = Loaded(base.folder, copy.deepcopy(base.network), base.tokenizer)
    options = OPTIONS[run["method"]].model_validate(run["set"])
    row = run_once(loaded, options, facts, general, args, run["seed"])
    return {**run, **row, "nll_ratio": round(row["nll"] / nll, 5), "num_known": len(known)}


def end_with_parent() -> None:
    """Let a worker end when the process that started it does, however that ends."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def row_of(done: Future[dict[str, Any] | None]) -> dict[str, Any] | None:
    """What a run found; one that failed says why and leaves no row."""
    try:
        return done.result()
    except (IngrainError, RuntimeError) as error:
        print(f"a run failed: {str(error)[:160]}", flush=True)
        return None


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over seeds, by variant."""
    names = list(dict.fromkeys(row["name"] for row in rows))
    return [
        {"name": name, "runs": sum(r["name"] == name for r in rows)}
        | {figure: round(mean(r[figure] for r in rows if r["name"] == name), 4) for figure in FIGURES}
        for name in names
    ]


def main() -> None:
    """Run, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", type=Path)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--model", default=DEFAULTS["model"])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=invented_people.RESULTS / "memory_sweep.jsonl")
    args = parser.parse_args()
    invented_people.check_data(parser, args.data)
    runs, rows = list(list_runs(args.variants, args.model)), []
    deadline = time.time() + args.seconds
    known = {run["model"]: known_of(run["model"], args.data) for run in runs}
    print(json.dumps({"known": {model: len(questions) for model, questions in known.items()}}), flush=True)
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(args.workers, mp_context=context, initializer=end_with_parent) as pool,
        args.out.open("a", encoding="utf-8") as out,
    ):
        begun = [pool.submit(run_variant, run, known[run["model"]], args.data, deadline) for run in runs]
        for done in as_completed(begun):
            row = row_of(done)
            if row:
                rows.append(row)
                out.write(json.dumps(row) + "\n")
                out.flush()
                print(json.dumps({"name": row["name"], "seed": row["seed"]} | {f: row[f] for f in FIGURES}), flush=True)
    print(json.dumps({"runs": len(rows), "left": len(runs) - len(rows), "variants": summarise(rows)}))


if __name__ == "__main__":
    main()
