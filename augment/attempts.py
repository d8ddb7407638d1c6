"""Does blocks of units so that a unit that kills its engine becomes a rejected row, and all others are done.

A dead engine takes its process along. Ray starts the process anew and hands it the same blocks; a file for each block
in work says how it was tried before:
1. first with many other blocks (`crowd`);
2. was the file there already, then the engine died meanwhile: the block is done again with nothing beside it (`block`);
3. if the engine died once more, its units are done one by one, each written down before; one that is down as begun
   and not as done has killed the engine by itself and is given up.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from augment.engines.base import AnyEngineSettings
from augment.errors import DeadEngineError, RequestError, StoppedError
from augment.records import Unit, content_id
from augment.schema import Row
from augment.study import Study

CROWD, BLOCK = "crowd", "block"


class Attempts:
    """Does blocks with a study; `folder` is where the files are, shared by all processes of the run."""

    def __init__(self, study: Study, folder: Path, engine: AnyEngineSettings) -> None:
        self.study, self.folder, self.room = study, folder, Room()
        starts = folder / "attempts-started"
        write_down(starts, "started")
        self.num_deaths = len(starts.read_text(encoding="utf-8").split()) - engine.actors
        self.max_deaths = engine.max_restarts

    async def do_all(self, units: Sequence[Unit]) -> list[Row]:
        """Rows of a block of units. Ends this process when the engine is dead: Ray starts another.

        Raises StoppedError when that happened too often.
        """
        if self.num_deaths > self.max_deaths:
            todo = "raise augment.engine.max_restarts or use shorter chunks; finished units are kept"
            raise StoppedError(f"the generation engine died {self.num_deaths} times", todo)
        file = self.folder / f"attempt-{content_id(*(unit.id for unit in units))}"
        try:
            rows = await self.attempt(units, file)
        except DeadEngineError:
            os._exit(1)
        file.unlink()
        return rows

    async def attempt(self, units: Sequence[Unit], file: Path) -> list[Row]:
        """One try, in the manner that the file asks for."""
        before = file.read_text(encoding="utf-8").split() if file.exists() else []
        if not before:
            async with self.room.shared():
                write_down(file, CROWD)
                return await self.study.do_all(units)
        async with self.room.alone():
            if BLOCK not in before:
                write_down(file, BLOCK)
                return await self.study.do_all(units)
            return [row for unit in units for row in await self.do_alone(unit, file, before)]

    async def do_alone(self, unit: Unit, file: Path, before: Sequence[str]) -> list[Row]:
        """Rows of one unit; of the error when it is known to kill the engine."""
        if unit.id in before and f"+{unit.id}" not in before:
            return self.study.reject(
                unit, RequestError("the engine died three times on this unit, the last time alone")
            )
        write_down(file, unit.id)
        rows = await self.study.do(unit)
        write_down(file, f"+{unit.id}")
        return rows


def write_down(file: Path, word: str) -> None:
    """Add a word; it has to survive this process, not the machine."""
    with file.open("a", encoding="utf-8") as stream:
        stream.write(f"{word}\n")


class Room:
    """Holds many who share it, or one who is alone in it; who wants to be alone goes first."""

    def __init__(self) -> None:
        self.num_inside = self.num_loners = 0
        self.changed = asyncio.Condition()

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Inside with others."""
        async with self.changed:
            await self.changed.wait_for(lambda: not self.num_loners)
            self.num_inside += 1
        async with self.leaving():
            yield

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Inside with nobody else."""
        async with self.changed:
            self.num_loners += 1
            await self.changed.wait_for(lambda: not self.num_inside)
            self.num_inside += 1
        try:
            async with self.leaving():
                yield
        finally:
            async with self.changed:
                self.num_loners -= 1
                self.changed.notify_all()

    @asynccontextmanager
    async def leaving(self) -> AsyncIterator[None]:
        """Leaves at the end, however it ends."""
        try:
            yield
        finally:
            async with self.changed:
                self.num_inside -= 1
                self.changed.notify_all()
