"""What a tracker promises, and which package each one needs."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Literal, Protocol

from augment.errors import ConfigError

PACKAGES = {"tensorboard": ("tensorboardX",), "mlflow": ("mlflow", "sqlalchemy", "alembic")}
State = Literal["FINISHED", "FAILED", "KILLED"]


class Tracker(Protocol):
    """Takes one run's figures. `start` is called once before the first ones, `close` in any case."""

    def start(self, is_taken_up: bool) -> None:
        """Begin the run, or go on with the one that was killed."""
        ...

    def log(self, step: int, seconds: float, figures: Mapping[str, float]) -> None:
        """Figures after a step (from 1), with the wall time since 1970. A taken-up run gives all of its steps again."""
        ...

    def close(self, state: State) -> None:
        """Write what is left. KILLED: asked to end, to be taken up later."""
        ...


def check_packages(trackers: Sequence[str]) -> None:
    """Raises ConfigError naming the first package that is missing."""
    for tracker in trackers:
        for package in PACKAGES[tracker]:
            if find_spec(package) is None:
                what = f"train.tracking names {tracker}, and the package {package} is not installed"
                raise ConfigError(what, "install the extra: pip install 'ingrain[tracking]'")
