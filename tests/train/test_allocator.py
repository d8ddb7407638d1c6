"""Memory that was freed stays for the next step, and goes back to the system now and then."""

import ctypes
from pathlib import Path

import pytest
import torch

from train.allocator import STEPS_KEPT, give_back_after, keep_freed_memory

STATM = Path("/proc/self/statm")
MIB = 2**20
has_glibc = hasattr(ctypes.CDLL(None), "malloc_trim")


def resident() -> int:
    """Bytes of this process that the system holds in memory."""
    return int(STATM.read_text().split()[1]) * 4096


@pytest.mark.skipif(not (STATM.is_file() and has_glibc), reason="of Linux with glibc")
def test_holes_are_kept_between_and_given_back_after_some_steps() -> None:
    keep_freed_memory()
    give_back_after(STEPS_KEPT)  # what was freed before would be taken first
    before = resident()
    taken = [(torch.ones(MIB), torch.ones(1000)) for _ in range(64)]  # 4 MiB each, and what stays in between
    kept = [small for _, small in taken]
    full = resident()
    del taken
    give_back_after(STEPS_KEPT - 1)
    assert full - before > 200 * MIB and resident() > full - 32 * MIB
    give_back_after(STEPS_KEPT)
    assert resident() < full - 200 * MIB
    assert all(small.sum() == 1000 for small in kept)
