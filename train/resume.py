"""Saves a run's state now and then, and takes it up again: a killed run ends with the weights of one that was not.

    RUN/states/step-00000120/   tensors.safetensors, position.json

A state appears whole (written beside, then renamed). It is good when the step after it had a loss that is a number:
until then one more stays than the latest few. All go when the run is finished.
"""

import json
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from augment.errors import DatasetError, DivergedError, EndedError
from train.methods.base import Method
from train.peers import ALONE, Peers

STATES, TENSORS, POSITION = "states", "tensors.safetensors", "position.json"
MAX_SHOWN = 4  # settings that differ, in one line
END = "end"  # a file beside the states: the workers that train the run are to save it and end


@dataclass(slots=True)
class Position:
    """How far a run is: steps done, tokens seen, wall seconds, losses of the epoch that it is in, their latest mean."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    last_loss: float = 0.0


class Keeper:
    """Keeps states of one run in `folder`: every `every` steps (0: only when asked to end), the `keep` latest good.

    `inputs` are all settings that the run depends on. A state of others is refused.
    """

    def __init__(
        self, folder: Path, inputs: dict[str, Any], every: int = 0, keep: int = 2, peers: Peers = ALONE
    ) -> None:
        part = f"worker-{peers.rank + 1}-of-{peers.world}" if peers.splits else ""
        self.whole, self.folder = folder, folder / part
        self.inputs, self.every, self.num_kept, self.peers = inputs, every, keep, peers
        self.end = threading.Event()
        self.is_doubtful = False  # whether nobody knows yet if the latest state is good

    @property
    def is_asked_to_end(self) -> bool:
        """Whether the run is to save its state and end after this step."""
        return self.end.is_set()

    def part(self, name: str) -> "Keeper":
        """The keeper of a part of the run, in a folder of its own; what ends this one ends it too."""
        keeper = Keeper(self.whole / name, self.inputs | {"part": name}, self.every, self.num_kept, self.peers)
        keeper.end = self.end
        return keeper

    def restore(self, method: Method) -> Position:
        """The latest state's position, the method brought there; the beginning where there is none.

        Raises DatasetError when the state is of other settings, or damaged.
        """
        if (latest := self.latest()) is None:
            return Position()
        try:
            record = json.loads((latest / POSITION).read_text(encoding="utf-8"))
            self.check(record["inputs"], latest)
            method.restore(load_file(latest / TENSORS))
        except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
            what = f"{latest} cannot be loaded ({str(error).splitlines()[0][:100]})"
            raise DatasetError(what, "delete it: the run goes on from the one before, or from the start") from None
        return Position(**record["position"])

    def latest(self) -> Path | None:
        """The latest state that all workers have."""
        common = set[str].intersection(*self.peers.join_objects({state.name for state in self.states()}))
        return self.folder / max(common) if common else None

    def check(self, inputs: dict[str, Any], state: Path) -> None:
        """Raises DatasetError naming the settings that differ."""
        ours, theirs = flatten(self.inputs), flatten(inputs)
        names = [name for name in sorted(ours.keys() | theirs.keys()) if ours.get(name) != theirs.get(name)]
        if names:
            shown = [f"{name} = {theirs.get(name)}, here it is {ours.get(name)}" for name in names[:MAX_SHOWN]]
            more = f", and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
            what = f"{state} was made with {'; with '.join(shown)}{more}"
            raise DatasetError(what, f"put that back, or delete {self.folder} to start anew")

    def states(self) -> list[Path]:
        """Folders of whole states, oldest first."""
        return sorted(self.folder.glob("step-*"))

    @contextmanager
    def doubting(self, step: int) -> Iterator[None]:
        """Within it the weights after `step` steps are tried: where they give no loss their state is none to keep, else
        one of the older states may go."""
        try:
            yield
        except DivergedError:
            shutil.rmtree(self.folder / name_of(step), ignore_errors=True)
            raise
        if self.is_doubtful:
            for old in self.states()[: -self.num_kept]:
                shutil.rmtree(old)
        self.is_doubtful = False

    def after_step(self, method: Method, position: Position) -> None:
        """Save when it is time; raises EndedError when the run was asked to end, its state being safe."""
        is_asked = self.is_asked_to_end or (not self.peers.alone and any(f.exists() for f in self.end_files()))
        asked = any(self.peers.join_objects(is_asked))
        if asked or (self.every and position.step % self.every == 0):
            self.save(method, position)
        if asked:
            raise EndedError(f"ended at step {position.step} as asked", "the same command goes on from there")

    def end_files(self) -> list[Path]:
        """Where other processes ask for the end: beside the states, or beside those of all parts."""
        return [self.whole / END, self.whole.parent / END]

    def save(self, method: Method, position: Position) -> None:
        """Write the state whole or not at all. One worker does, where all hold all."""
        if not self.peers.is_main and not self.peers.splits:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".state-", dir=self.folder))
        try:
            save_file({name: tensor.contiguous() for name, tensor in method.state().items()}, staging / TENSORS)
            record = {"position": asdict(position), "inputs": self.inputs}
            (staging / POSITION).write_text(json.dumps(record), encoding="utf-8")
            sync(staging)
            os.replace(staging, self.folder / name_of(position.step))
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        self.is_doubtful = True

    def forget(self) -> None:
        """Remove all states: the run is finished and saved."""
        if self.peers.is_main:
            shutil.rmtree(self.whole, ignore_errors=True)

    @contextmanager
    def ending_on_signals(self) -> Iterator[None]:
        """Within it SIGTERM and Ctrl-C let the step end, save the state and end the run; a second Ctrl-C waits for
        nothing."""

        def ask(number: int, *_: object) -> None:
            if number == signal.SIGINT and self.is_asked_to_end:
                raise KeyboardInterrupt
            self.end.set()

        if threading.current_thread() is not threading.main_thread():  # only there a handler may be set
            yield
            return
        before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def name_of(step: int) -> str:
    """A state's folder."""
    return f"step-{step:08d}"


def sync(folder: Path) -> None:
    """Flush every file of a folder to disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())


def flatten(value: Any, name: str = "") -> dict[str, Any]:
    """Nested settings by dotted name."""
    if not isinstance(value, dict):
        return {name: value}
    return {k: v for key, item in value.items() for k, v in flatten(item, f"{name}.{key}" if name else key).items()}
