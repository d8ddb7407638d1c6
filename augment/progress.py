"""Shows how far generation is, on the terminal and in `generation.json`: units, notes, tokens, rates, time left."""

import contextlib
import json
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from augment.errors import DatasetError
from augment.json_file import write_json

PROGRESS = "generation.json"
WINDOW_SEC = 30.0  # rates are those of the last half minute
SAVE_EVERY_SEC = 1.0


@dataclass(slots=True)
class Tally:
    """Sums over the pieces of one run. Tokens are the engine's own counts, `seconds` wall time with engine
    start.
    """

    units: int = 0
    kept: int = 0
    rejected: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0


SAVED = ("state", "to_do", "finished_before", *(field.name for field in fields(Tally)), "rates", "updated")


@dataclass(frozen=True, slots=True)
class Rates:
    """What happened per second of late."""

    units: float = 0.0
    notes: float = 0.0
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0

    def __str__(self) -> str:
        return f"{self.notes:.1f} notes/s  {self.completion_tokens:.0f} tokens/s  ({self.prompt_tokens:.0f} read)"


def read_progress(out: Path) -> dict[str, Any]:
    """What the last run that wrote to `out` said of itself, empty before a first one; raises DatasetError."""
    path = out / PROGRESS
    try:
        numbers = json.loads(path.read_text(encoding="utf-8"))
        return {name: numbers[name] for name in SAVED}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{path} is broken ({error})", "delete it: only what `augment status` says is lost"
        ) from None


class Progress:
    """A bar on stderr, without a terminal a line now and then; `path` is rewritten at most once a second."""

    def __init__(self, num_units: int, path: Path, finished_before: int = 0, lines: int = 5) -> None:
        self.num_units, self.path, self.finished_before = num_units, path, finished_before
        self.tally, self.started, self.saved = Tally(), time.monotonic(), 0.0
        self.recent: deque[Tally] = deque([Tally()])
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
        self.save("running")
        self.bar.start()
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self.bar.stop()
        self.tally.seconds = time.monotonic() - self.started
        with contextlib.suppress(OSError) if error else contextlib.nullcontext():  # the first error is the one to show
            self.save("stopped" if error else "finished")

    def add(self, done: Mapping[str, Any]) -> None:
        """Count one staged piece."""
        tally = self.tally
        tally.units += done["units"]
        tally.kept += done["kept"]
        tally.rejected += done["rejected"]
        tally.prompt_tokens += done["prompt_tokens"]
        tally.completion_tokens += done["completion_tokens"]
        tally.seconds = time.monotonic() - self.started
        self.remember()
        self.show()

    def add_duplicates(self, number: int) -> None:
        """Count notes as rejected that were counted as kept."""
        self.tally.kept -= number
        self.tally.rejected += number

    def remember(self) -> None:
        """Keep the tallies that span the last WINDOW_SEC seconds."""
        self.recent.append(replace(self.tally))
        while len(self.recent) > 2 and self.recent[1].seconds < self.tally.seconds - WINDOW_SEC:
            self.recent.popleft()

    def rates(self) -> Rates:
        """Rates over the window; over the whole run where it is shorter."""
        old, new = self.recent[0], self.recent[-1]
        seconds = max(new.seconds - old.seconds, 1e-9)
        return Rates(
            (new.units - old.units) / seconds,
            (new.kept + new.rejected - old.kept - old.rejected) / seconds,
            (new.prompt_tokens - old.prompt_tokens) / seconds,
            (new.completion_tokens - old.completion_tokens) / seconds,
        )

    def show(self) -> None:
        """Bring the bar, or the lines, and the file up to date."""
        tally = self.tally
        self.bar.update(self.task, completed=tally.units, rates=str(self.rates()))
        if tally.seconds - self.saved >= SAVE_EVERY_SEC:
            self.saved = tally.seconds
            self.save("running")
        if not self.console.is_terminal and tally.units >= self.next_line:
            self.next_line += self.step
            print(f"notes: {tally.units} of {self.num_units} units, {self.rates()}", flush=True)

    def save(self, state: str) -> None:
        """Write what `augment status` reads."""
        numbers = {"state": state, "to_do": self.num_units, "finished_before": self.finished_before}
        write_json(numbers | asdict(self.tally) | {"rates": asdict(self.rates()), "updated": time.time()}, self.path)
