"""A large table that grows takes the memory of what is written into it, and leaves none behind."""

import gc
from pathlib import Path

import pytest
import torch

from train.allocator import APART_BYTES, zeros_apart
from train.memory.rows import TouchedRows

CPU = torch.device("cpu")
STATM = Path("/proc/self/statm")
MIB = 2**20


def resident() -> int:
    """Bytes of this process that the system holds in memory."""
    return int(STATM.read_text().split()[1]) * 4096


def test_tables_are_zero_and_can_be_written() -> None:
    for size in (3, APART_BYTES // 4):
        table = zeros_apart(size, 2, CPU)
        assert table.shape == (size, 2) and table.dtype == torch.float32 and not table.any()
        assert torch.equal(table.index_add_(0, torch.tensor([2]), torch.ones(1, 2))[2], torch.ones(2))


@pytest.mark.skipif(not STATM.is_file(), reason="Linux says how much memory a process has")
def test_memory_follows_what_is_written_and_goes_with_the_table() -> None:
    before = resident()
    table = zeros_apart(2**20, 64, CPU)  # 256 MiB
    assert resident() - before < 16 * MIB
    table[: 2**18] = 1
    assert 56 * MIB < resident() - before < 80 * MIB
    del table
    gc.collect()
    assert resident() - before < 16 * MIB


def test_rows_outlive_the_tables_they_began_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.allocator.APART_BYTES", 64)
    rows = TouchedRows(1000, {"a": 3}, CPU)
    for start in range(0, 1000, 50):
        slots = torch.arange(start, start + 50)
        rows.add("a", rows.find(slots), slots[:, None].expand(-1, 3).float())
        gc.collect()
    assert torch.equal(rows.rows["a"][: rows.used, 1], torch.arange(1000.0))
