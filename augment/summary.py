"""Prints what a run of `augment` will do or did."""

from collections import Counter
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from augment.digests import Digests
from augment.documents import TABLE
from augment.generate import Outcome
from augment.plan import PROMPT_TOKENS, Census, Plan, find_tokenizer, iterate_units, match_finished
from augment.prices import Prices
from augment.progress import read_progress
from augment.shards import finished_units
from augment.yields import Yield, sum_all, sum_dataset, yield_table


@dataclass(frozen=True, slots=True)
class Estimate:
    """Tokens that a number of units will take; `is_measured` where their strategies have finished units."""

    prompt_tokens: float
    completion_tokens: float
    is_measured: bool


def print_plan(plan: Plan, console: Console) -> None:
    """Units done and to do by strategy, and an estimate of tokens, time and price."""
    census, waiting, num_stale = count_units(plan)
    console.print(f"{census.num_documents} documents, {census.num_chunks} chunks, {census.units.total()} units")
    if find_tokenizer(plan.settings.augment, plan.model) is None:
        console.print("chunks are counted in words, not tokens: this engine brings no tokenizer")
    for line in census.describe_unreadable():
        console.print(line, markup=False, soft_wrap=True)
    table = Table("strategy", "units", "done", "to do")
    for name, number in census.units.items():
        table.add_row(name, f"{number}", f"{number - waiting.units[name]}", f"{waiting.units[name]}")
    console.print(table)
    if num_stale:
        console.print(f"{num_stale} finished units are of no unit of this plan: a run moves their notes to `rejected`")
    for line in describe_estimate(plan, estimate_tokens(plan, waiting)):
        console.print(line)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is to do, by strategy: units, and the requests that they make at most."""

    units: Counter[str]
    calls: Counter[str]


def count_units(plan: Plan) -> tuple[Census, Waiting, int]:
    """What is planned, what is to do, and the number of finished units that are not planned."""
    census, waiting, planned = Census(), Waiting(Counter(), Counter()), Digests()
    options = plan.settings.augment.chosen_strategies()
    finished = finished_units(plan.out / "notes")
    for missing in match_finished(iterate_units(plan, census), finished, planned):
        for unit in missing:
            waiting.units[unit.strategy] += 1
            waiting.calls[unit.strategy] += options[unit.strategy].count_calls(unit.chunk)
    return census, waiting, len(finished) - len(planned)


def estimate_tokens(plan: Plan, waiting: Waiting) -> Estimate:
    """By strategy the mean of its finished units in this folder; the most it can take where there are none."""
    options, yields = plan.settings.augment, sum_dataset(plan.out / "notes")
    prompt, completion, is_measured = 0.0, 0.0, True
    for name, number in waiting.units.items():
        if (known := yields.get(name)) and known.units:
            prompt += number * known.prompt_tokens / known.units
            completion += number * known.completion_tokens / known.units
        else:
            calls = waiting.calls[name]
            prompt += calls * (options.chunks.max_tokens + PROMPT_TOKENS)
            completion += calls * options.sampling.max_tokens
            is_measured = False
    return Estimate(prompt, completion, is_measured)


def describe_estimate(plan: Plan, estimate: Estimate) -> list[str]:
    """Lines with tokens, time at the speed of the last run in this folder, and price where one is set."""
    prompt, completion = estimate.prompt_tokens, estimate.completion_tokens
    bound = "about" if estimate.is_measured else "at most"
    lines = [f"to read: {bound} {prompt:,.0f} tokens, to write: {bound} {completion:,.0f} tokens"]
    tally = read_progress(plan.out)
    if speed := tally.get("completion_tokens", 0) / max(tally.get("seconds", 0), 1e-9):
        lines.append(f"time: {completion / speed / 60:.1f} minutes at the last run's {speed:.0f} tokens/s")
    else:
        lines.append(f"time: unknown before a first run in {plan.out}")
    prices: Prices = plan.settings.augment.engine.prices
    if prices != Prices():
        lines.append(f"price: {bound} {prices.cost(prompt, completion):,.2f}")
    return lines


def print_outcome(outcome: Outcome, console: Console) -> None:
    """Notes kept and rejected by strategy and by reason, speed, and where the dataset is."""
    tally = outcome.tally
    for line in outcome.census.describe_unreadable():
        console.print(line, markup=False, soft_wrap=True)
    if number := outcome.census.num_unreadable:
        line = f"{number} files or rows could not be read and were left out: {outcome.folder.with_name(TABLE)}"
        console.print(line, markup=False, soft_wrap=True)
    if outcome.num_lost:
        console.print(f"{outcome.num_lost} shards were missing: their units were to be done again")
    if outcome.finished_before:
        console.print(f"{outcome.finished_before} units were finished before and are kept")
    if outcome.superseded:
        console.print(f"{outcome.superseded} notes belong to no unit of this plan: moved to `rejected` as superseded")
    print_yields(sum_dataset(outcome.folder), console)
    if tally.units:
        speed = tally.completion_tokens / max(tally.seconds, 1e-9)
        console.print(f"{tally.completion_tokens:,} tokens in {tally.seconds:.0f} s, {speed:.0f} tokens/s")
    console.print(f"dataset: {outcome.folder}", soft_wrap=True)


def print_yields(yields: dict[str, Yield], console: Console) -> None:
    """By strategy: notes kept and rejected, and what a kept note took to write; by reason what was rejected."""
    console.print(yield_table(yields))
    total = sum_all(yields)
    table = Table("rejected", "notes")
    for reason, number in [*total.reasons.most_common(), ("superseded", total.superseded)]:
        if number:
            table.add_row(reason, f"{number}")
    if table.row_count:
        console.print(table)
