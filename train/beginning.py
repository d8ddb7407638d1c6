"""The tokens with which all sequences of a batch begin are read once: their keys and values serve each of them."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import torch

from train.model import Loaded


def shared_length(encoded: Sequence[list[int]]) -> int:
    """Tokens at which all rows are alike, leaving at least one of each row."""
    columns = zip(*(row[:-1] for row in encoded), strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))


def read_beginning(loaded: Loaded, ids: list[int], batch_size: int) -> Any:
    """Keys and values of a beginning, once for each row of a batch; None when there is none."""
    if not ids:
        return None
    cache = loaded.network(input_ids=torch.tensor([ids], device=loaded.device), use_cache=True).past_key_values
    cache.batch_repeat_interleave(batch_size)
    return cache
