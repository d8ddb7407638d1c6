"""Keeps the units that are to be done in a file, a line per chunk, so that a plan of any length takes no memory.

Where a filter asks for whole documents, each stands in a line of its own before its chunks. The file lives beside the
notes while a run needs it: actors on any machine that sees the output folder read their blocks from it. JSON, for what
another process wrote there must never be able to run.
"""

import json
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
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
        self.document_text, self.document_offset = "", 0

    def add(self, units: list[Unit]) -> None:
        """Append the units of one chunk."""
        chunk = asdict(units[0].chunk) | {"document_text": self.add_document(units[0].chunk.document_text)}
        self.offsets.append(self.stream.tell())
        self.starts.append(self.num_units)
        line = [chunk, [(unit.id, unit.strategy, unit.round) for unit in units]]
        self.stream.write(json.dumps(line).encode() + b"\n")
        self.num_units += len(units)

    def add_document(self, text: str) -> int:
        """Where the text of a whole document stands in the file, written when that is another one; -1 for ""."""
        if not text:
            return -1
        if text is not self.document_text:
            self.document_text, self.document_offset = text, self.stream.tell()
            self.stream.write(json.dumps(text).encode() + b"\n")
        return self.document_offset

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
    with path.open("rb") as lines, path.open("rb") as documents:
        lines.seek(block.offset)
        return list(islice(read_units(lines, documents), block.skip, block.skip + block.count))


def read_units(lines: Any, documents: Any) -> Iterator[Unit]:
    """The units of each line; those of one line share their chunk. `documents` is the same file, for their texts."""

    @cache
    def read_document(offset: int) -> str:
        if offset < 0:
            return ""
        documents.seek(offset)
        return str(json.loads(documents.readline()))

    for line in map(json.loads, lines):
        if isinstance(line, str):  # a document's text
            continue
        fields, units = line
        chunk = Chunk(**fields | {"document_text": read_document(fields["document_text"])})
        for unit_id, strategy, turn in units:
            yield Unit(unit_id, chunk, strategy, turn)
