"""Writes a run's figures as TensorBoard event files; the one door to tensorboardX.

The folder is written anew when a run is taken up: a killed process leaves steps that are done again, or half an event.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from train.tracking.base import State

FLUSH_SEC = 10


class EventFiles:
    """A tracker that writes into `folder`. Figures are fp32 there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writer: Any = None

    def start(self, is_taken_up: bool) -> None:
        """Begin with an empty folder: a taken-up run gives its steps again."""
        from tensorboardX import SummaryWriter

        shutil.rmtree(self.folder, ignore_errors=True)
        self.writer = SummaryWriter(str(self.folder), flush_secs=FLUSH_SEC)

    def log(self, step: int, seconds: float, figures: Mapping[str, float]) -> None:
        """Add an event for each figure."""
        for name, value in figures.items():
            self.writer.add_scalar(name, value, step, walltime=seconds)

    def close(self, state: State) -> None:
        """Write what is left."""
        if self.writer is not None:
            self.writer.close()
