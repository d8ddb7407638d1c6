"""Runs a plan on Ray Data: a pool of engines does blocks of units and stages their rows, the driver commits them."""

import errno
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
import ray.data
from filelock import FileLock, Timeout
from ray.data import ActorPoolStrategy

from augment.attempts import Attempts
from augment.card import write_card
from augment.commit import Committer, open_store
from augment.digests import Digests
from augment.documents import UnreadableTable
from augment.engines.failures import explain_failure
from augment.engines.registry import start_engine
from augment.errors import DatasetError, EngineError
from augment.plan import Census, Plan, iterate_units, match_finished
from augment.progress import PROGRESS, Progress, Tally
from augment.resume import Resume, check_resume, check_same_dataset
from augment.settings import save_settings
from augment.shards import STAGING, NoteStore, finished_units, is_store, stage_rows
from augment.status import LOCK
from augment.study import Study
from augment.todo import Block, Todo, read_block

LOCK_TIMEOUT_SEC = 1.0  # `augment status` may hold the lock for an instant
TODO = ".todo.jsonl"
# Units that one actor works on at once, in at least MIN_BLOCKS_IN_FLIGHT blocks: keeps the engine's batch full to the
# end of each.
UNITS_IN_FLIGHT = 512
MIN_BLOCKS_IN_FLIGHT, MAX_BLOCKS_IN_FLIGHT = 2, 16
OBJECT_STORE_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of `augment` did."""

    folder: Path
    finished_before: int
    tally: Tally
    superseded: int
    census: Census


@dataclass(frozen=True, slots=True)
class Work:
    """What a plan comes to in a folder: units to do, the number of those that are done, and those of no plan.

    `documents` are the ids of those with units to do, where the folder holds notes already.
    """

    todo: Todo
    num_finished: int
    documents: set[str]
    stale: Digests
    census: Census


class StudyActor:
    """One engine in a Ray actor. A call does a block of units and stages their rows as one piece."""

    def __init__(self, plan: Plan, folder: Path, todo: Path) -> None:
        engine = start_engine(plan.settings.augment.engine, plan.model, plan.settings.seed)
        self.folder, self.todo = folder, todo
        study = Study(plan.settings, plan.templates, plan.model, engine)
        self.attempts = Attempts(study, folder / STAGING, plan.settings.augment.engine)

    async def __call__(self, blocks: pa.Table) -> pa.Table:
        units = [unit for row in blocks.to_pylist() for unit in read_block(self.todo, Block(**row))]
        rows = await self.attempts.do_all(units)
        kept = sum(row["verdict"] == "kept" for row in rows)
        done = {
            "piece": stage_rows(self.folder, rows),
            "units": len(units),
            "kept": kept,
            "rejected": len(rows) - kept,
            "prompt_tokens": sum(r["prompt_tokens"] for r in rows),
            "completion_tokens": sum(r["completion_tokens"] for r in rows),
        }
        return pa.Table.from_pylist([done])


def generate(plan: Plan, resume: Resume = "if_possible", replace: bool = False) -> Outcome:
    """Do every unit of the plan that the dataset does not hold yet.

    Raises DatasetError when another process writes the same folder, or when the folder is not what `resume` asks for,
    or holds the dataset of other settings and `replace` is not given; EngineError when the engine dies.
    """
    folder, filters = (plan.out / "notes").resolve(), plan.settings.augment.filters
    with hold_folder(plan.out):
        check_resume(folder, resume)
        if is_store(folder):
            open_store(folder, filters)
        try:
            with UnreadableTable(plan.out) as table:
                work = list_work(plan, finished_units(folder), Census(report=table.add))
            check_same_dataset(plan, folder, work.num_finished, replace)
            save_settings(plan.settings, plan.out / "augment.yaml")
            store = open_store(folder, filters)
            superseded = store.supersede(work.stale, work.census.unreadable_ids)
            tally = commit_all(plan, store, work) if work.todo.num_units else Tally()
            write_card(folder, plan.settings)
        finally:
            (plan.out / TODO).unlink(missing_ok=True)
        return Outcome(folder, work.num_finished, tally, superseded, work.census)


@contextmanager
def hold_folder(out: Path) -> Iterator[None]:
    """Keep other writers out of the folder. One that was made here goes again if nothing came of it."""
    is_new = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out / LOCK, timeout=LOCK_TIMEOUT_SEC):
            yield
    except Timeout:
        raise DatasetError(f"another process writes {out}", "wait for it, or use --set out=FOLDER") from None
    finally:
        if is_new and not is_store(out / "notes"):
            shutil.rmtree(out, ignore_errors=True)


def list_work(plan: Plan, finished: Digests, census: Census) -> Work:
    """Read the whole plan once: what is not finished goes to a file."""
    todo, planned, documents = Todo((plan.out / TODO).resolve()), Digests(), set[str]()
    try:
        for missing in match_finished(iterate_units(plan, census), finished, planned):
            if missing:
                todo.add(missing)
                if len(finished):
                    documents.add(missing[0].chunk.document_id)
    finally:
        todo.close()
    return Work(todo, len(planned), documents, finished.without(planned), census)


def commit_all(plan: Plan, store: NoteStore, work: Work) -> Tally:
    """Commit pieces as they come. What was staged when the run ends early is committed too, now or by the next run."""
    with Progress(work.todo.num_units, plan.out / PROGRESS, work.num_finished) as progress:
        committer = Committer(store, progress, plan.settings.augment.filters, work.documents)
        try:
            for done in run_units(plan, store.folder, work.todo):
                committer.add(done)
        except (EngineError, KeyboardInterrupt):
            committer.commit()
            raise
        committer.commit()
        store.discard_staged()
        return progress.tally


def run_units(plan: Plan, folder: Path, todo: Todo) -> Iterator[dict[str, Any]]:
    """One record per staged piece, in the order in which they are done."""
    start_ray()
    engine = plan.settings.augment.engine
    blocks = todo.list_blocks(plan.settings.augment.units_per_shard)
    in_flight = min(max(UNITS_IN_FLIGHT // blocks[0].count, MIN_BLOCKS_IN_FLIGHT), MAX_BLOCKS_IN_FLIGHT)
    # Tables that are there already cost the scheduler a quarter of what read tasks do.
    staged = ray.data.from_arrow([pa.Table.from_pylist([asdict(block)]) for block in blocks]).map_batches(
        StudyActor,
        batch_size=None,
        batch_format="pyarrow",
        fn_constructor_args=(plan, folder, todo.path),
        compute=ActorPoolStrategy(
            size=engine.actors,
            max_tasks_in_flight_per_actor=in_flight,
            max_concurrent_calls_per_actor=in_flight,
        ),
        num_cpus=cpus_per_actor(engine.actors),
        num_gpus=engine.gpus_per_actor or None,
    )
    try:
        yield from staged.iter_rows()
    except ray.exceptions.RayError as error:
        if os.strerror(errno.ENOSPC) in str(error):  # an actor's own OSError comes back as text
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error
        raise explain_failure(error) from error


def cpus_per_actor(num_actors: int) -> float:
    """One core for each actor where there are enough of them; else Ray would wait for more for ever."""
    return min(1.0, float(ray.cluster_resources().get("CPU", 1.0)) / num_actors)


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
        # Ray's default, 15, lets any other process of the machine stop the engine's threads, which wait for each other.
        os.environ.setdefault("RAY_worker_niceness", "0")
        ray.init(**quiet, include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES)
