"""Does blocks of units on a pool of Ray actors, each with an engine of its own.

Plain actors: bounded work in flight, and an actor that dies is started anew with its blocks. Ray Data's pool adds a
scheduling loop, a statistics actor and an autoscaler that this has no use for.
"""

import errno
import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import ray

from augment.attempts import Attempts
from augment.engines.base import AnyEngineSettings
from augment.engines.failures import explain_failure
from augment.engines.registry import start_engine
from augment.errors import EngineError
from augment.plan import Plan
from augment.ray_start import start_ray
from augment.shards import STAGING, stage_rows
from augment.study import Study
from augment.todo import Block, Todo, read_block

# Units that one actor works on at once, in at least MIN_BLOCKS_IN_FLIGHT blocks: keeps the engine's batch full to the
# end of each.
UNITS_IN_FLIGHT = 512
MIN_BLOCKS_IN_FLIGHT, MAX_BLOCKS_IN_FLIGHT = 2, 16
CLOSE_TIMEOUT_SEC = 30.0


class StudyActor:
    """One engine in a Ray actor. A call does a block of units and stages their rows as one piece."""

    def __init__(self, plan: Plan, folder: Path, todo: Path) -> None:
        self.engine = start_engine(plan.settings.augment.engine, plan.model, plan.settings.seed)
        self.folder, self.todo = folder, todo
        study = Study(plan.settings, plan.templates, plan.model, self.engine)
        self.attempts = Attempts(study, folder / STAGING, plan.settings.augment.engine)

    async def do(self, block: Block) -> dict[str, Any]:
        """What was staged, in figures."""
        units = read_block(self.todo, block)
        rows = await self.attempts.do_all(units)
        kept = sum(row["verdict"] == "kept" for row in rows)
        return {
            "piece": stage_rows(self.folder, rows),
            "units": len(units),
            "kept": kept,
            "rejected": len(rows) - kept,
            "prompt_tokens": sum(row["prompt_tokens"] for row in rows),
            "completion_tokens": sum(row["completion_tokens"] for row in rows),
        }

    async def close(self) -> None:
        """End the engine with the processes that it started."""
        await self.engine.close()


@contextmanager
def run_units(plan: Plan, folder: Path, todo: Todo) -> Iterator[Iterator[dict[str, Any]]]:
    """One record per staged piece, in the order in which they are done; the engines end with the block.

    Raises EngineError when an engine dies.
    """
    start_ray()
    engine = plan.settings.augment.engine
    check_gpus(engine)
    blocks = todo.list_blocks(plan.settings.augment.units_per_shard)
    in_flight = min(max(UNITS_IN_FLIGHT // blocks[0].count, MIN_BLOCKS_IN_FLIGHT), MAX_BLOCKS_IN_FLIGHT)
    # An actor that dies is started anew and gets its blocks again; `Attempts` counts how often.
    kind = ray.remote(StudyActor).options(
        num_cpus=cpus_per_actor(engine.actors),
        num_gpus=engine.gpus_per_actor or None,
        max_concurrency=in_flight,
        max_restarts=-1,
        max_task_retries=-1,
    )
    actors = [kind.remote(plan, folder, todo.path) for _ in range(engine.actors)]
    try:
        yield feed(actors, blocks, in_flight)
        ray.wait([actor.close.remote() for actor in actors], num_returns=len(actors), timeout=CLOSE_TIMEOUT_SEC)
    except ray.exceptions.RayError as error:
        if os.strerror(errno.ENOSPC) in str(error):  # an actor's own OSError comes back as text
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error
        raise explain_failure(error) from error
    finally:
        for actor in actors:
            ray.kill(actor)


def feed(actors: Sequence[Any], blocks: Sequence[Block], in_flight: int) -> Iterator[dict[str, Any]]:
    """Give every actor so many blocks, and a new one for each that it has done."""
    shares, working = share_out(blocks, len(actors)), dict[Any, int]()
    for number in [number for _ in range(in_flight) for number in range(len(actors))]:
        if (block := take_next(shares, number)) is not None:
            working[actors[number].do.remote(block)] = number
    while working:
        (done, *_), _ = ray.wait(list(working), num_returns=1)
        number = working.pop(done)
        if (block := take_next(shares, number)) is not None:
            working[actors[number].do.remote(block)] = number
        yield ray.get(done)


def share_out(blocks: Sequence[Block], num_actors: int) -> list[deque[Block]]:
    """A stretch of the plan for each actor: neighbours are about one document, and share their prompts' prefix in the
    cache of one engine alone.
    """
    borders = [len(blocks) * i // num_actors for i in range(num_actors + 1)]
    return [deque(blocks[first:last]) for first, last in pairwise(borders)]


def take_next(shares: Sequence[deque[Block]], number: int) -> Block | None:
    """The next block of this actor's share; when that is done, the last of the longest; None when all are."""
    if shares[number]:
        return shares[number].popleft()
    longest = max(shares, key=len)
    return longest.pop() if longest else None


def check_gpus(engine: AnyEngineSettings) -> None:
    """Raises EngineError when the cluster could never hold one actor: Ray would wait for ever."""
    there = ray.cluster_resources().get("GPU", 0)
    if engine.gpus_per_actor > there:
        what = f"augment.engine.gpus_per_actor is {engine.gpus_per_actor}, and Ray sees {there:g} GPUs"
        raise EngineError(what, "lower it, or join a cluster that has them")


def cpus_per_actor(num_actors: int) -> float:
    """One core for each actor where there are enough of them; else Ray would wait for more for ever."""
    return min(1.0, float(ray.cluster_resources().get("CPU", 1.0)) / num_actors)
