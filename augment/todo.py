"""Keeps the units that are to be done in a file, a line per chunk, so that a plan of any length takes no memory.

The file lives beside the notes while a run needs it: actors on any machine that sees the output folder read their
blocks from it. JSON, for what another process wrote there must never be able to run.
"""

import json
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from augment.records import Chunk, Unit

# A block costs the scheduler some milliseconds whatever it holds, so there are never more than this many.
MAX_BLOCKS = 1024


@dataclass(frozen=True, slots=True)
class Block:
    """`count` units: those after the first `skip` of the lines that begin at byte `offset`."""

    offset: int
    skip: int
    count: int


class Todo:
    """The file while it is written. `add` appends one chunk's units; the numbers say where its lines begin."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stream: Any = path.open("wb")
        self.offsets, self.starts = array("q"), array("q")
        self.num_units = 0

    def add(self, units: list[Unit]) -> None:
        """Append the units of one chunk."""
        self.offsets.append(self.stream.tell())
        self.starts.append(self.num_units)
        line = [asdict(units[0].chunk), [(unit.id, unit.strategy, unit.round) for unit in units]]
        self.stream.write(json.dumps(line).encode() + b"\n")
        self.num_units += len(units)

    def close(self) -> None:
        """Flush what was added, so that others can read it."""
        self.stream.close()

    def list_blocks(self, units_per_block: int) -> list[Block]:
        """Blocks of `units_per_block` units, of more where there would be too many blocks."""
        size = max(units_per_block, -(-self.num_units // MAX_BLOCKS))
        firsts = np.arange(0, self.num_units, size)
        starts = np.asarray(self.starts)
        lines = np.searchsorted(starts, firsts, side="right") - 1
        counts = np.minimum(size, self.num_units - firsts)
        skips = firsts - starts[lines]
        offsets = np.asarray(self.offsets)[lines]
        return [Block(*map(int, numbers)) for numbers in zip(offsets, skips, counts, strict=True)]


def read_block(path: Path, block: Block) -> list[Unit]:
    """The units of one block, in the order of the plan."""
    with path.open("rb") as stream:
        stream.seek(block.offset)
        return list(islice(read_units(stream), block.skip, block.skip + block.count))


def read_units(lines: Any) -> Iterator[Unit]:
    """The units of each line; those of one line share their chunk."""
    for line in lines:
        fields, units = json.loads(line)
        chunk = Chunk(**fields)
        for unit_id, strategy, turn in units:
            yield Unit(unit_id, chunk, strategy, turn)
