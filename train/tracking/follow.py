"""Reads the JSON lines that a run writes, and gives each tracker what is new: the lines are the record.

    metrics.jsonl    loss, scale (share of the learning rate), tokens_per_sec (mean of the run so far)
    curve.jsonl      recall/cue, recall/held_out, recall/reversed, kept, nll; of runs that are watched

A run that was taken up has cut its log back to the state that it goes on from; the first step then gives all that is
left of it again, so that a tracker can begin anew or leave out what it has.
"""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from train.tracking.base import State, Tracker


class LineReader:
    """The lines of a growing file, each once. A line that is not whole yet comes the next time."""

    def __init__(self, path: Path) -> None:
        self.path, self.place = path, 0

    def new_lines(self) -> Iterator[dict[str, Any]]:
        """What was added since the last time."""
        with self.path.open("rb") as stream:
            stream.seek(self.place)
            whole, newline, _ = stream.read().rpartition(b"\n")
        self.place += len(whole) + len(newline)
        yield from map(json.loads, whole.splitlines())


class Follower:
    """Called after each step of a run. `logs` are written one after another, each with steps from 1: those of a stream
    are counted on.
    """

    def __init__(self, logs: Sequence[Path], curve: Path, trackers: Sequence[Tracker]) -> None:
        self.logs, self.curve, self.trackers = [LineReader(log) for log in logs], curve, trackers
        self.step, self.steps_before = 0, 0
        self.started = 0.0  # wall time at which the run would have begun had it never been stopped
        self.points: set[int] = set()

    def after_step(self, step: int) -> None:
        """Give the steps that were written, and the points of the curve before this step: its own is not there yet."""
        if not self.step:
            for tracker in self.trackers:
                tracker.start(is_taken_up=step > 1)
        if step <= self.step:
            self.steps_before, self.logs = self.steps_before + self.step, self.logs[1:]
            self.started = 0.0
        self.step = step
        self.give_steps()
        self.give_points(step)

    def give_steps(self) -> None:
        """Give each new line of the log."""
        lines = list(self.logs[0].new_lines())
        self.started = self.started or time.time() - lines[-1]["seconds"]
        for line in lines:
            speed = line["tokens"] / max(line["seconds"], 1e-9)
            figures = {"loss": line["loss"], "scale": line["scale"], "tokens_per_sec": speed}
            self.give(line["step"], self.started + line["seconds"], figures)

    def give_points(self, before: float) -> None:
        """Give each point of the curve once. Those of later steps are a killed run's, and are measured again."""
        lines = self.curve.read_text(encoding="utf-8").splitlines() if self.curve.is_file() else []
        for point in map(json.loads, lines):
            if point["step"] < before and point["step"] not in self.points:
                self.points.add(point["step"])
                figures = {f"recall/{kind}": recall for kind, recall in point["recall"].items()}
                figures |= {"nll": point["nll"]} | ({} if point["kept"] is None else {"kept": point["kept"]})
                self.give(point["step"], time.time(), figures)

    def give(self, step: int, seconds: float, figures: dict[str, float]) -> None:
        """Give figures to every tracker."""
        for tracker in self.trackers:
            tracker.log(self.steps_before + step, seconds, figures)

    def close(self, state: State) -> None:
        """Give what was measured after the last step, and end."""
        if self.step:
            self.give_points(self.step + 1)
        for tracker in self.trackers:
            tracker.close(state)
