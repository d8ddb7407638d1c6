"""Memory of the system: what was freed is kept for the next step, and large tables that grow are held apart from it.

A training step takes and frees the same large tensors again and again. A table that grows among them leaves holes
behind, as large as it is itself, which nothing fills.
"""

import ctypes
import mmap

import torch
from torch import Tensor

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
KEPT_BYTES = 2**30
APART_BYTES = 2**24  # smaller tables have room among the rest


def keep_freed_memory() -> None:
    """Else each step pays for the page faults of all its tensors: a tenth of its time on a CPU. Not glibc: nothing."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def zeros_apart(size: int, width: int, device: torch.device) -> Tensor:
    """Zeros (size, width) in fp32. On a CPU a large table has memory of its own: the system gives a page of it when it
    is first written, and has all of it back when the table is gone.
    """
    num_bytes = 4 * size * width
    if device.type != "cpu" or num_bytes < APART_BYTES:
        return torch.zeros(size, width, device=device)
    pages = mmap.mmap(-1, num_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return torch.frombuffer(pages, dtype=torch.float32).view(size, width)
