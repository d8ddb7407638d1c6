"""Writes a run's figures into an MLflow store: an SQLite file on this disk; the one door to mlflow.

MLflow keeps every value that it is given, so that a run that was taken up leaves out the steps that are there.
"""

import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from augment.errors import RunError
from train.tracking.base import State

STORE, ARTIFACTS = "mlflow.db", "mlruns"
BATCH, BATCH_SEC = 500, 1.0  # figures, seconds; MLflow takes 1,000 at once, and a write is a transaction


class MlflowStore:
    """A tracker of the run `name` in `folder`/mlflow.db. `params` are what the run depends on, by dotted name."""

    def __init__(self, folder: Path, experiment: str, name: str, params: Mapping[str, Any]) -> None:
        self.path, self.name, self.params = folder / STORE, name, params
        self.run = ""
        self.there: set[tuple[str, int]] = set()  # figures and steps that the store has
        self.waiting: list[Any] = []
        self.written = time.monotonic()
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = os.environ["DO_NOT_TRACK"] = "true"  # read when it is imported
        with self.reporting():
            self.client = open_client(self.path)
            found = self.client.get_experiment_by_name(experiment)
            place = (folder / ARTIFACTS).resolve().as_uri()
            self.experiment = found.experiment_id if found else self.client.create_experiment(experiment, place)

    def start(self, is_taken_up: bool) -> None:
        """Go on with the latest run of this name, or begin one; a run that was given up is marked as killed."""
        with self.reporting():
            latest = self.find_latest()
            if latest and is_taken_up:
                self.take_up(latest)
                return
            if latest and latest.info.status == "RUNNING":
                self.client.set_terminated(latest.info.run_id, "KILLED")
            self.run = self.client.create_run(self.experiment, run_name=self.name).info.run_id
            self.client.log_batch(self.run, params=make_params(self.params))

    def find_latest(self) -> Any:
        """The run of this name that began last, None where there is none."""
        chosen, order = f"attributes.run_name = '{self.name}'", ["attributes.start_time DESC"]
        runs = self.client.search_runs([self.experiment], filter_string=chosen, order_by=order, max_results=1)
        return runs[0] if runs else None

    def take_up(self, run: Any) -> None:
        """Go on with a run."""
        self.run = run.info.run_id
        self.client.update_run(self.run, status="RUNNING")
        for name in run.data.metrics:
            self.there |= {(name, old.step) for old in self.client.get_metric_history(self.run, name)}

    def log(self, step: int, seconds: float, figures: Mapping[str, float]) -> None:
        """Add the figures that are not there; they are written within about a second, at the next step."""
        from mlflow.entities import Metric

        new = [(name, value) for name, value in figures.items() if (name, step) not in self.there]
        self.waiting += [Metric(name, value, round(seconds * 1000), step) for name, value in new]
        if len(self.waiting) >= BATCH or time.monotonic() - self.written > BATCH_SEC:
            self.write()

    def write(self) -> None:
        """Write what waits in one transaction."""
        with self.reporting():
            if self.waiting:
                self.client.log_batch(self.run, metrics=self.waiting)
        self.waiting, self.written = [], time.monotonic()

    def close(self, state: State) -> None:
        """Write what is left and end the run."""
        if self.run:
            self.write()
            with self.reporting():
                self.client.set_terminated(self.run, state)

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Turns the store's errors into a RunError."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError) as error:
            what = f"{self.path} cannot be used ({' '.join(str(error).split())[:120]})"
            raise RunError(what, "move it away, or take mlflow out of train.tracking; then the same command") from None


def open_client(path: Path) -> Any:
    """MLflow's client of a store, which is made where there is none."""
    from mlflow import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of every table that it makes
    path.parent.mkdir(parents=True, exist_ok=True)
    return MlflowClient(tracking_uri=f"sqlite:///{path.resolve()}")


def make_params(values: Mapping[str, Any]) -> list[Any]:
    """Settings as MLflow's parameters: texts."""
    from mlflow.entities import Param

    return [Param(name, str(value)) for name, value in values.items()]
