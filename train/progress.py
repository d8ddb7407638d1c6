"""Shows how far a run is while it trains: a bar where there is a terminal, else a line now and then."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from train.loop import Show
from train.stage import Say
from train.status import read_recall

EVERY_SEC = 15.0  # between two lines where there is no terminal


@contextmanager
def shown_steps(name: str, folder: Path, say: Say, console: Console | None = None) -> Iterator[Show]:
    """What to call after each step of the run in `folder`; the bar goes when the run ends, or with an error."""
    console = console or Console()
    if not console.is_terminal:
        yield step_printer(name, say)
        return
    with make_bar(console) as bar:
        yield StepBar(bar, name, folder).show


def make_bar(console: Console) -> Progress:
    """Name, bar, steps, figures, time left. It is redrawn twice a second, which costs nothing."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}  left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        refresh_per_second=2,
    )


class StepBar:
    """A run's row of the bar. The first step it is shown begins the estimate of the time left: that of a run taken up
    counts what this process did alone.
    """

    def __init__(self, bar: Progress, name: str, folder: Path) -> None:
        self.bar, self.name, self.folder = bar, name, folder
        self.task: TaskID | None = None
        self.step = 0

    def show(self, step: int, num_steps: int, loss: float, speed: float) -> None:
        """Bring the bar up to date; where steps begin anew, with the next group of a stream, so does the bar."""
        if self.task is not None and step <= self.step:
            self.bar.remove_task(self.task)
            self.task = None
        self.step, figures = step, self.describe(loss, speed)
        if self.task is None:
            self.task = self.bar.add_task(self.name, total=num_steps, completed=step, figures=figures)
        self.bar.update(self.task, completed=step, figures=figures)

    def describe(self, loss: float, speed: float) -> str:
        """Loss, speed and, where the run is watched, held-out recall when the questions were last asked."""
        recall = read_recall(self.folder)
        return f"loss {loss:.3f}  {speed:.0f} tokens/s" + (f"  recall {recall:.1%}" if recall is not None else "")


def step_printer(name: str, say: Say, every_sec: float = EVERY_SEC) -> Show:
    """Prints loss, speed and time left now and then."""
    last, started = [time.monotonic()], time.monotonic()
    first: list[int] = []

    def show(step: int, num_steps: int, loss: float, speed: float) -> None:
        now = time.monotonic()
        first.append(step)
        if now - last[0] >= every_sec:
            last[0] = now
            left = (now - started) / (step - first[0] + 1) * (num_steps - step)
            say(f"{name}: step {step} of {num_steps}, loss {loss:.3f}, {speed:.0f} tokens/s, {left:.0f} s left")
            del first[1:]

    return show
