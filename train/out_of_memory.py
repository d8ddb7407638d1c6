"""Turns running out of memory into one line that names the setting to lower."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from augment.errors import RunError

CPU_MESSAGE = "DefaultCPUAllocator: can't allocate memory"  # PyTorch has no type of its own for it


@contextmanager
def naming_what_to_lower(doing: str, todo: str) -> Iterator[None]:
    """Within it running out of memory, on a GPU or here, is a RunError that says while `doing` what and what `todo`."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise RunError(f"memory ran out {doing} ({reason[-100:]})", todo) from None


def is_out_of_memory(error: Exception) -> bool:
    """Whether that is what the error says."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or CPU_MESSAGE in str(error)
