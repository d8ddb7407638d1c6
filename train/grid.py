"""Turns the axes of a pipeline file into its runs: methods x objectives x mixes x replay x seeds."""

from dataclasses import dataclass
from itertools import product
from typing import Any

from augment.errors import ConfigError
from train.config import TrainFile
from train.methods.options import Objective, Options, TrainedOptions

BASE = "base"


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of the grid. `label` is the same for all seeds; `name` is the run's folder.

    `mix` (None: all notes once), `objective` and `replay_share` mean nothing for a method that does not train.
    """

    name: str
    label: str
    options: Options
    objective: Objective
    mix: dict[str, float] | None
    replay_share: float
    seed: int

    @property
    def trains(self) -> bool:
        """Whether there is something to train."""
        return isinstance(self.options, TrainedOptions)

    def as_json(self) -> dict[str, Any]:
        """What tells the run from others, the method's options apart."""
        return {"objective": self.objective, "mix": self.mix, "replay_share": self.replay_share, "seed": self.seed}


def list_cells(settings: TrainFile) -> list[Cell]:
    """All runs but the base's, in order of the methods. Raises ConfigError when the file names no method."""
    chosen = settings.train.methods.chosen()
    if not chosen:
        raise ConfigError("train.methods names no method", "add memory: {} or lora: {}")
    return [cell for name, options in chosen.items() for cell in cells_of(name, options, settings)]


def cells_of(name: str, options: Options, settings: TrainFile) -> list[Cell]:
    """The runs of one method: one for each point of the axes, a single one where nothing trains."""
    train = settings.train
    seeds = train.seeds or [settings.seed]
    if options.kind == "none":
        return []
    if not isinstance(options, TrainedOptions):
        return [Cell(name, name, options, "next_token", None, 0.0, seeds[0])]
    mixes: dict[str, dict[str, float] | None] = {**train.mixes} or {"": None}
    objectives = [options.objective] if options.objective else train.objectives
    shares = train.replay_shares or [train.data.replay_share]
    cells = []
    for objective, mix, share, seed in product(objectives, mixes, shares, seeds):
        words = [name, objective * (len(objectives) > 1), mix * (len(mixes) > 1)]
        words.append(f"replay{share:g}" * (len(shares) > 1))
        label = "-".join(filter(None, words))
        whole = f"{label}-seed{seed}" if len(seeds) > 1 else label
        cells.append(Cell(whole, label, options, objective, mixes[mix], share, seed))
    return cells
