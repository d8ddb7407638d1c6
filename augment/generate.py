"""Runs a plan: a pool of engines does blocks of units and stages their rows, this process commits them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from augment.card import write_card
from augment.commit import Committer, open_store
from augment.digests import Digests
from augment.documents import UnreadableTable
from augment.errors import DatasetError, EngineError
from augment.plan import Census, Plan, iterate_units, match_finished
from augment.pool import run_units
from augment.progress import PROGRESS, Progress, Tally
from augment.resume import Resume, check_resume, check_same_dataset
from augment.settings import save_settings
from augment.shards import finished_units, is_store
from augment.status import LOCK
from augment.store import NoteStore
from augment.todo import Todo

LOCK_TIMEOUT_SEC = 1.0  # `augment status` may hold the lock for an instant
TODO = ".todo.jsonl"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of `augment` did."""

    folder: Path
    finished_before: int
    tally: Tally
    superseded: int
    census: Census
    num_lost: int


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


def generate(plan: Plan, resume: Resume = "if_possible", replace: bool = False) -> Outcome:
    """Do every unit of the plan that the dataset does not hold yet.

    Raises DatasetError when another process writes the same folder, or when the folder is not what `resume` asks for,
    or holds the dataset of other settings and `replace` is not given; EngineError when the engine dies.
    """
    folder, filters = (plan.out / "notes").resolve(), plan.settings.augment.filters
    with hold_folder(plan.out):
        check_resume(folder, resume)
        num_lost = open_store(folder, filters).num_lost if is_store(folder) else 0
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
        return Outcome(folder, work.num_finished, tally, superseded, work.census, num_lost)


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
            with run_units(plan, store.folder, work.todo) as pieces:
                for done in pieces:
                    committer.add(done)
                committer.commit()
        except (EngineError, KeyboardInterrupt):
            committer.commit()
            raise
        store.discard_staged()
        return progress.tally
