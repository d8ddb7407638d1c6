"""Shows a few notes of each strategy in the terminal, with the filters' verdict; nothing is written."""

from collections.abc import Iterable

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from augment.engines.registry import start_engine
from augment.plan import Plan, iterate_units
from augment.records import Unit
from augment.study import Study


async def preview_notes(plan: Plan, count: int, console: Console) -> None:
    """Do the first `count` units of each strategy and print their notes."""
    units = first_of_each(iterate_units(plan), count, len(plan.settings.augment.chosen_strategies()))
    engine = start_engine(plan.settings.augment.engine, plan.model, plan.settings.seed)
    study = Study(plan.settings, plan.templates, plan.model, engine)
    try:
        rows = await study.do_all(units)
    finally:
        await engine.close()
    for row in rows:
        verdict = f"rejected: {row['reason']}" if row["reason"] else "kept"
        title = f"{row['strategy']}, {row['document_id']}, {verdict}"
        console.print(Panel(Text(row["text"]), title=Text(title), border_style="red" if row["reason"] else "green"))
    console.print(f"{len(rows)} notes shown, nothing written")


def first_of_each(chunks: Iterable[list[Unit]], count: int, num_strategies: int) -> list[Unit]:
    """The first `count` units of every strategy; no more chunks are read than that takes."""
    chosen: dict[str, list[Unit]] = {}
    for unit in (unit for units in chunks for unit in units):
        if len(found := chosen.setdefault(unit.strategy, [])) < count:
            found.append(unit)
        if len(chosen) == num_strategies and all(len(found) == count for found in chosen.values()):
            break
    return [unit for found in chosen.values() for unit in found]
