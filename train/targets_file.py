"""Keeps what a teacher finds likeliest at the tokens of many samples in one Arrow file: a row a sample, by its key."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from augment.errors import DatasetError
from augment.whole import replace_file
from train.data import Targets

SCHEMA = pa.schema(
    [
        ("sample", pa.string()),
        ("top_ids", pa.list_(pa.list_(pa.int32()))),
        ("top_logprobs", pa.list_(pa.list_(pa.float32()))),
    ]
)
ROWS = 1000  # of a record batch


def read_targets(file: Path) -> dict[str, Targets]:
    """What the file holds, by key; nothing when there is no file. Raises DatasetError when it is broken."""
    if not file.is_file():
        return {}
    try:
        with pa.memory_map(str(file)) as source:
            table = pa.ipc.open_file(source).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise DatasetError(
            f"{file} is no whole Arrow file ({error})", "delete it; the teacher is asked again"
        ) from None
    columns = [table[name].combine_chunks() if len(table) else [] for name in SCHEMA.names]
    return {
        str(key): Targets(matrix_of(ids).long(), matrix_of(logprobs))
        for key, ids, logprobs in zip(*columns, strict=True)
    }


def matrix_of(row: Any) -> Tensor:
    """A list of lists of one length as a tensor."""
    values = row.values.flatten().to_numpy(zero_copy_only=False)
    return torch.from_numpy(values.reshape(len(row.values), -1).copy())


def write_targets(targets: Mapping[str, Targets], file: Path) -> None:
    """Write all of them, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = list(targets.items())
    with replace_file(file) as path, pa.ipc.new_file(str(path), SCHEMA) as writer:
        for at in range(0, len(rows), ROWS):
            writer.write_batch(batch_of(rows[at : at + ROWS]))


def batch_of(rows: Sequence[tuple[str, Targets]]) -> pa.RecordBatch:
    """Rows as a record batch, without a Python object a number."""
    keys = [key for key, _ in rows]
    ids = nested([answer.ids.int() for _, answer in rows])
    return pa.RecordBatch.from_arrays([pa.array(keys), ids, nested([a.logprobs for _, a in rows])], schema=SCHEMA)


def nested(parts: Sequence[Tensor]) -> pa.Array:
    """Matrices as lists of lists."""
    values = pa.array(torch.cat([part.flatten() for part in parts]).numpy())
    widths = (part.shape[1] for part in parts for _ in range(len(part)))
    return pa.ListArray.from_arrays(offsets(map(len, parts)), pa.ListArray.from_arrays(offsets(widths), values))


def offsets(sizes: Iterable[int]) -> pa.Array:
    """Where lists of these sizes begin, one after another, and where the last ends."""
    return pa.array(accumulate(sizes, initial=0), pa.int32())
