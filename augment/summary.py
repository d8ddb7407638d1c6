"""Prints what a run of `augment` will do or did."""

import json
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from augment.generate import Outcome
from augment.plan import Plan, find_tokenizer
from augment.shards import SPLITS, count_rows, listed_shards, read_rows, read_table
from augment.strategies.registry import STRATEGIES


def print_plan(plan: Plan, console: Console) -> None:
    """Units done and to do by strategy, and an estimate of tokens and time."""
    done = finished_units(plan.out / "notes")
    todo = [unit for unit in plan.units if unit.id not in done]
    console.print(f"{len(plan.documents)} documents, {len(plan.chunks)} chunks, {len(plan.units)} units")
    if find_tokenizer(plan.settings.augment, plan.model) is None:
        console.print("chunks are counted in words, not tokens: this engine brings no tokenizer")
    for error in plan.skipped:
        console.print(f"skipped: {error}", markup=False)
    table = Table("strategy", "units", "done", "to do")
    waiting = Counter(unit.strategy for unit in todo)
    for name, units in Counter(unit.strategy for unit in plan.units).items():
        table.add_row(name, f"{units}", f"{units - waiting[name]}", f"{waiting[name]}")
    console.print(table)
    console.print(estimate(plan, waiting))


def finished_units(folder: Path) -> set[str]:
    """Units in the dataset, read without opening it for writing."""
    if not (folder / "train" / "state.json").exists():
        return set()
    columns = ["unit_id", "reason"]
    tables = [read_table(folder / s / n).select(columns) for s in SPLITS for n in listed_shards(folder, s)]
    return {r["unit_id"] for t in tables for r in t.to_pylist() if r["reason"] != "superseded"}


def estimate(plan: Plan, waiting: Counter[str]) -> str:
    """Tokens at most, and minutes at the speed of the last run in this folder."""
    options = plan.settings.augment.chosen_strategies()
    calls = {
        name: getattr(options[name], "max_strategies", 0) + len(STRATEGIES[name].templates[:1]) for name in options
    }
    tokens = sum(waiting[name] * calls[name] for name in options) * plan.settings.augment.sampling.max_tokens
    text = f"to write: at most {tokens:,} tokens"
    last = plan.out / "generation.json"
    if not last.exists():
        return f"{text}; time unknown before a first run in {plan.out}"
    tally = json.loads(last.read_text(encoding="utf-8"))
    speed = tally["completion_tokens"] / max(tally["seconds"], 1e-9)
    return f"{text}, {tokens / max(speed, 1e-9) / 60:.1f} minutes at the last run's {speed:.0f} tokens/s"


def print_outcome(outcome: Outcome, console: Console) -> None:
    """Notes kept, notes rejected by reason, speed, and where the dataset is."""
    tally = outcome.tally
    if outcome.finished_before:
        console.print(f"{outcome.finished_before} units were finished before and are kept")
    if outcome.superseded:
        console.print(f"{outcome.superseded} notes belong to no unit of this plan: moved to `rejected` as superseded")
    kept = sum(1 for _ in read_rows(outcome.folder, "train", ["unit_id"]))
    reasons = count_rows(read_rows(outcome.folder, "rejected", ["reason"]), "reason")
    table = Table("notes", "number", title=None)
    table.add_row("kept", f"{kept}")
    for reason, number in reasons.items():
        table.add_row(f"rejected: {reason}", f"{number}")
    console.print(table)
    if tally.units:
        speed = tally.completion_tokens / max(tally.seconds, 1e-9)
        console.print(f"{tally.completion_tokens:,} tokens in {tally.seconds:.0f} s, {speed:.0f} tokens/s")
    console.print(f"dataset: {outcome.folder}", soft_wrap=True)
