"""Tells how far a run is, from its files alone: while it runs, after it, and after it was killed."""

import fcntl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from augment.errors import DatasetError
from augment.progress import read_progress
from augment.shards import is_store
from augment.yields import Yield, sum_all, sum_dataset, sum_staged, yield_table

LOCK = ".augment.lock"


@dataclass(frozen=True, slots=True)
class Status:
    """What the files of a run say. `progress` is what the run itself wrote last, empty before its first note."""

    out: Path
    is_running: bool
    progress: dict[str, Any]
    strategies: dict[str, Yield]
    staged: Yield


def read_status(out: Path) -> Status:
    """The status of the run that writes to `out`; raises DatasetError where there is none."""
    is_running = is_locked(out / LOCK)
    if not is_running and not is_store(out / "notes"):
        raise DatasetError(f"{out} holds no run", "give the `out` folder of a pipeline that `augment run` has started")
    progress = read_progress(out)
    staged = sum_all(sum_staged(out / "notes"))
    return Status(out, is_running, progress, sum_dataset(out / "notes"), staged)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock. It is asked for and given back at once, which a starting run waits out."""
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def print_status(status: Status, console: Console) -> None:
    """State, units, notes, tokens, and while it runs its rates and the time left."""
    table = Table(show_header=False)
    table.add_row("state", describe_state(status))
    for name, value in [*list_progress(status), *list_notes(status)]:
        table.add_row(name, value)
    console.print(table)
    if status.strategies:
        console.print(yield_table(status.strategies))


def describe_state(status: Status) -> str:
    """Whether a process writes, and if not how the last one ended."""
    state = status.progress.get("state")
    if status.is_running:
        age = time.time() - status.progress["updated"] if state == "running" else 0
        return f"running, last note {age:.0f} s ago" if state == "running" else "reading documents"
    ends = {
        "running": "killed; run the same command again: finished units are kept",
        "stopped": "stopped by an error; run the same command again: finished units are kept",
        "finished": "finished",
    }
    return ends.get(str(state), "ended before its first note; run the same command again")


def list_progress(status: Status) -> list[tuple[str, str]]:
    """Units done of those planned; rates and time left while it runs."""
    progress = status.progress
    if not progress:
        return []
    before, done, total = progress["finished_before"], progress["units"], progress["to_do"]
    rows = [("units", f"{before + done:,} of {before + total:,} done")]
    if status.is_running and progress["state"] == "running":
        rates = progress["rates"]
        speed = f"{rates['prompt_tokens']:.0f} read, {rates['completion_tokens']:.0f} written"
        rows.append(("tokens/s", speed))
        rows.append(("time left", f"{(total - done) / rates['units'] / 60:.1f} minutes" if rates["units"] else "-"))
    return rows


def list_notes(status: Status) -> list[tuple[str, str]]:
    """Notes and tokens in the dataset, and what is staged for it."""
    notes, staged = sum_all(status.strategies), status.staged
    rows = [("notes kept", f"{notes.kept:,}"), ("notes rejected", f"{notes.rejected:,}")]
    rows += [(f"  {reason}", f"{number:,}") for reason, number in notes.reasons.most_common()]
    if staged.units:
        rows.append(("notes staged", f"{staged.kept + staged.rejected:,}, enter the dataset with the next shard"))
    tokens = (notes.prompt_tokens + staged.prompt_tokens, notes.completion_tokens + staged.completion_tokens)
    return [*rows, ("tokens", f"{tokens[0]:,} read, {tokens[1]:,} written")]
