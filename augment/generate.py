"""Runs a plan on Ray Data: a pool of engines does the units and stages shards, the driver commits them."""

import errno
import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
import ray.data
from filelock import FileLock, Timeout
from ray.data import ActorPoolStrategy

from augment.attempts import Attempts
from augment.engines.base import start_engine
from augment.engines.failures import explain_failure
from augment.errors import DatasetError
from augment.filters.duplicate import duplicate_key
from augment.filters.near_duplicate import NearDuplicates
from augment.plan import Plan
from augment.progress import Progress, Tally
from augment.records import Chunk, Unit
from augment.settings import save_settings
from augment.shards import SPLITS, STAGING, NoteStore, Row, read_table, stage_rows, write_json
from augment.study import Study

# Shards that one actor works on at once: keeps the engine's batch full to the end of each.
SHARDS_IN_FLIGHT = 16
OBJECT_STORE_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of `augment` did."""

    folder: Path
    finished_before: int
    tally: Tally
    superseded: int


class StudyActor:
    """One engine in a Ray actor. A call does a block of units and stages their rows as one pair of shards."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        engine = start_engine(plan.settings.augment.engine, plan.model, plan.settings.seed)
        self.folder = folder
        study = Study(plan.settings, plan.templates, plan.model, engine)
        self.attempts = Attempts(study, folder / STAGING, plan.settings.augment.engine)

    async def __call__(self, block: pa.Table) -> pa.Table:
        units = [unit_of(row) for row in block.to_pylist()]
        rows = await self.attempts.do_all(units)
        keys = [duplicate_key(r["document_id"], r["text"]) for r in rows if r["verdict"] == "kept"]
        done = {
            "shard": stage_rows(self.folder, rows),
            "units": len(units),
            "kept": len(keys),
            "rejected": len(rows) - len(keys),
            "prompt_tokens": sum(r["prompt_tokens"] for r in rows),
            "completion_tokens": sum(r["completion_tokens"] for r in rows),
            "keys": keys,
        }
        return pa.Table.from_pylist([done])


def unit_of(row: Row) -> Unit:
    """The unit that travelled to an actor as a row."""
    return Unit(row["id"], Chunk(**row["chunk"]), row["strategy"], row["round"])


def generate(plan: Plan) -> Outcome:
    """Do every unit of the plan that the dataset does not hold yet.

    Raises DatasetError when another process writes the same folder, EngineError when the engine dies.
    """
    plan.out.mkdir(parents=True, exist_ok=True)
    folder = (plan.out / "notes").resolve()
    try:
        with FileLock(plan.out / ".augment.lock", timeout=0):
            save_settings(plan.settings, plan.out / "augment.yaml")
            store = NoteStore(folder)
            superseded = store.supersede({unit.id for unit in plan.units})
            done = store.finished_units()
            todo = [unit for unit in plan.units if unit.id not in done]
            tally = commit_all(plan, store, todo) if todo else Tally()
            return Outcome(folder, len(plan.units) - len(todo), tally, superseded)
    except Timeout:
        raise DatasetError(f"another process writes {plan.out}", "wait for it, or use --set out=FOLDER") from None


def commit_all(plan: Plan, store: NoteStore, todo: list[Unit]) -> Tally:
    """Commit each staged shard as it comes, duplicates moved to `rejected`."""
    seen = store.kept_keys(lambda row: duplicate_key(row["document_id"], row["text"]))
    filters = plan.settings.augment.filters
    near = None
    if "near_duplicate" not in filters.off:
        near = NearDuplicates(filters.max_similarity)
        near.learn(store.folder, {unit.chunk.document_id for unit in todo})
    with Progress(len(todo)) as progress:
        for done in run_units(plan, store.folder, todo):
            num_duplicates = 0
            if "duplicate" not in filters.off:
                num_duplicates += reject_duplicates(store.folder, done["shard"], done["keys"], seen)
            if near is not None:
                num_duplicates += reject_near_duplicates(store.folder, done["shard"], near)
            store.commit(done["shard"])
            progress.add(done, num_duplicates)
        tally = progress.tally
    write_json(asdict(tally), plan.out / "generation.json")
    return tally


def run_units(plan: Plan, folder: Path, todo: list[Unit]) -> Iterator[dict[str, Any]]:
    """One record per staged shard, in the order in which they are done."""
    start_ray()
    engine = plan.settings.augment.engine
    num_blocks = -(-len(todo) // plan.settings.augment.units_per_shard)
    staged = ray.data.from_items([asdict(unit) for unit in todo], override_num_blocks=num_blocks).map_batches(
        StudyActor,
        batch_size=None,
        batch_format="pyarrow",
        fn_constructor_args=(replace(plan, documents=[], chunks=[], units=[]), folder),
        compute=ActorPoolStrategy(
            size=engine.actors,
            max_tasks_in_flight_per_actor=SHARDS_IN_FLIGHT,
            max_concurrent_calls_per_actor=SHARDS_IN_FLIGHT,
        ),
        num_cpus=1,
        num_gpus=engine.gpus_per_actor or None,
    )
    try:
        yield from staged.iter_rows()
    except ray.exceptions.RayError as error:
        if os.strerror(errno.ENOSPC) in str(error):  # an actor's own OSError comes back as text
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error
        raise explain_failure(error) from error


def start_ray() -> None:
    """Join the cluster of this job where there is one, else start a small one on this machine."""
    if ray.is_initialized():
        return
    ray.data.DataContext.get_current().enable_progress_bars = False
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its core worker warns about every actor
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # its errors come back as exceptions
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if "RAY_ADDRESS" in os.environ:
        ray.init(**quiet)
    else:
        ray.init(**quiet, include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES)


def reject_duplicates(folder: Path, shard: str, keys: list[str], seen: set[str]) -> int:
    """Mark the kept rows of a staged shard whose key was seen before, rewriting it only if there are any.

    Returns their number; `seen` learns the shard's keys.
    """
    repeated = [key in seen or key in keys[:i] for i, key in enumerate(keys)]
    seen.update(keys)
    if any(repeated):
        paths = [folder / STAGING / f"{split}-{shard}" for split in SPLITS]
        kept, rejected = (read_table(path).to_pylist() for path in paths)
        for row, again in zip(kept, repeated, strict=True):
            if again:
                row.update(verdict="rejected", reason="duplicate")
        restage(folder, shard, [*kept, *rejected])
    return sum(repeated)


def reject_near_duplicates(folder: Path, shard: str, near: NearDuplicates) -> int:
    """Mark the kept rows of a staged shard that nearly repeat another; returns their number."""
    kept, rejected = (read_table(folder / STAGING / f"{split}-{shard}") for split in SPLITS)
    judged = near.judge(kept)
    if judged is kept:
        return 0
    restage(folder, shard, [*judged.to_pylist(), *rejected.to_pylist()])
    return sum(verdict == "rejected" for verdict in judged["verdict"].to_pylist())


def restage(folder: Path, shard: str, rows: list[Row]) -> None:
    """Replace a staged pair of shards by one with these rows."""
    name = stage_rows(folder, rows)
    for split in SPLITS:
        os.replace(folder / STAGING / f"{split}-{name}", folder / STAGING / f"{split}-{shard}")
