"""Asks all questions while a method trains: the curve of learning against forgetting, and the end at a target."""

import json
from pathlib import Path
from typing import Any

from train.config import Watch
from train.evaluate.base import known_set, make_exam
from train.evaluate.measure import examine
from train.model import Loaded
from train.stage import Stage

CURVE = "curve.jsonl"


class Watcher:
    """Called after each step; a line of `curve.jsonl` holds recall, kept share and general NLL at that step."""

    def __init__(self, stage: Stage, loaded: Loaded, options: Watch, folder: Path) -> None:
        self.loaded, self.options, self.path = loaded, options, folder / CURVE
        self.known, self.exam = known_set(stage, print), make_exam(stage, loaded)

    def __call__(self, epoch: int, step: int, ends_epoch: bool) -> bool | None:
        """Ask, write down, say whether the target is reached; None where it is not the time to ask."""
        if not self.is_due(epoch, step, ends_epoch):
            return None
        figures = examine(self.loaded, self.exam, self.known)
        recall = {kind: scores["em"] for kind, scores in figures["learning"].items()}
        point = {"epoch": epoch, "step": step, "exam": figures["exam"], "recall": recall}
        point |= {"kept": figures["retention"].get("kept"), "nll": figures["general"]["nll"]}
        self.write(point | {"parts": list_parts(figures)}, step)
        target = self.options.stop_at_recall
        return target is not None and recall.get("held_out", 0.0) >= target

    def is_due(self, epoch: int, step: int, ends_epoch: bool) -> bool:
        """Whether the file wants all asked now."""
        return step in self.options.at_steps or (ends_epoch and epoch % self.options.every_epochs == 0)

    def write(self, point: dict[str, object], step: int) -> None:
        """Add a point; those of a run that was begun anew, or of later steps, go."""
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else []
        points = [old for old in map(json.loads, lines) if old["step"] < step]
        self.path.write_text("".join(f"{json.dumps(p)}\n" for p in [*points, point]), encoding="utf-8")


def list_parts(figures: dict[str, Any]) -> dict[str, Any]:
    """What the point's figures are made of, in the order of asking: answers (1 right, 0 wrong), NLL of each text."""
    right = {
        kind: "".join(str(int(answer["em"])) for answer in figures["answers"] if answer["kind"] == kind)
        for kind in ("held_out", "known")
    }
    return right | {"texts": [text["nll"] for text in figures["general"]["texts"]]}
