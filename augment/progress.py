"""Shows how far generation is: units done, notes per second, tokens per second, time left."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress


@dataclass(slots=True)
class Tally:
    """Sums over the shards of one run. Tokens are the engine's own counts, `seconds` wall time with engine
    start.
    """

    units: int = 0
    kept: int = 0
    rejected: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0


class Progress:
    """A bar on stderr with notes/s, tokens/s and time left; without a terminal, a line now and then."""

    def __init__(self, num_units: int, lines: int = 5) -> None:
        self.num_units, self.tally, self.started = num_units, Tally(), time.monotonic()
        self.console = Console(stderr=True)
        self.next_line, self.step = num_units / lines, num_units / lines
        self.bar = RichProgress(
            TextColumn("notes"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("units  {task.fields[rates]}  left"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.task = self.bar.add_task("units", total=num_units, rates="starting the engine")

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def add(self, done: Mapping[str, Any], num_duplicates: int) -> None:
        """Count one committed shard."""
        tally = self.tally
        tally.units += done["units"]
        tally.kept += done["kept"] - num_duplicates
        tally.rejected += done["rejected"] + num_duplicates
        tally.prompt_tokens += done["prompt_tokens"]
        tally.completion_tokens += done["completion_tokens"]
        tally.seconds = time.monotonic() - self.started
        self.bar.update(self.task, completed=tally.units, rates=self.rates())
        if not self.console.is_terminal and tally.units >= self.next_line:
            self.next_line += self.step
            print(f"notes: {tally.units} of {self.num_units} units, {self.rates()}", flush=True)

    def rates(self) -> str:
        """Notes and written tokens per second so far."""
        tally, seconds = self.tally, max(self.tally.seconds, 1e-9)
        notes, tokens = tally.kept + tally.rejected, tally.completion_tokens
        return f"{notes / seconds:.1f} notes/s  {tokens / seconds:.0f} tokens/s"
