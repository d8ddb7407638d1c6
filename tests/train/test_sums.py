"""Weighted sums of rows: against a loop in plain Python, and both kernels against PyTorch."""

import os
import subprocess
import sys
from importlib.util import find_spec
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from train.memory import sums
from train.memory.sums import weighted_sums

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"


def some_bags(width: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A table, and bags of 0 to 20 of its rows."""
    draw = torch.Generator().manual_seed(width)
    sizes = torch.tensor([3, 0, 20, 8, 1, 0])
    begins = torch.cat([torch.zeros(1, dtype=torch.long), sizes.cumsum(0)])
    index = torch.randint(0, 50, (int(begins[-1]),), generator=draw)
    return torch.randn(50, width, generator=draw), index, torch.rand(len(index), generator=draw), begins


@pytest.mark.parametrize("width", [5, 576])
def test_sums_are_those_of_a_loop(width: int) -> None:
    table, index, weights, begins = some_bags(width)
    bags = [range(int(a), int(b)) for a, b in pairwise(begins)]
    looped = [sum((weights[i] * table[index[i]] for i in bag), torch.zeros(width)) for bag in bags]
    torch.testing.assert_close(weighted_sums(table, index, weights, begins), torch.stack(looped))


def embedding_bag(table: Tensor, index: Tensor, weights: Tensor, begins: Tensor) -> Tensor:
    return torch.nn.functional.embedding_bag(
        index, table, begins, per_sample_weights=weights, mode="sum", include_last_offset=True
    )


@pytest.mark.skipif(find_spec("numba") is None, reason="needs Numba")
@pytest.mark.parametrize("width", [5, 128, 576, 900])
def test_the_kernel_for_large_tables_gives_what_pytorch_gives(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from train.memory import cpu_kernel

    asked: list[int] = []
    plain = cpu_kernel.sum_bags
    monkeypatch.setattr(cpu_kernel, "sum_bags", lambda *tensors: asked.append(width) or plain(*tensors))
    monkeypatch.setattr(sums, "LARGE", 50 * width)
    torch.testing.assert_close(weighted_sums(*some_bags(width)), embedding_bag(*some_bags(width)))
    monkeypatch.setattr(sums, "LARGE", 50 * width + 1)
    weighted_sums(*some_bags(width))
    assert asked == [width]


@pytest.mark.skipif(find_spec("numba") is None, reason="needs Numba")
def test_pytorch_keeps_its_number_of_threads() -> None:
    """Both may have the same OpenMP, whose number Numba sets to that of the cores."""
    code = "import torch; import train.memory.cpu_kernel as k; a = torch.ones(1, 4); i = torch.zeros(1).long(); "
    code += "k.sum_bags(a, i, a[0, :1], torch.arange(2)); print(torch.get_num_threads())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "1", done.stderr


@pytest.mark.skipif(find_spec("numba") is None, reason="needs Numba")
def test_bags_without_rows_are_zero() -> None:
    from train.memory.cpu_kernel import sum_bags

    nothing = torch.zeros(0, dtype=torch.long)
    assert torch.equal(sum_bags(torch.ones(9, 4), nothing, torch.zeros(0), torch.zeros(3).long()), torch.zeros(2, 4))


@pytest.mark.gpu
@pytest.mark.skipif(find_spec("triton") is None, reason="needs Triton")
@pytest.mark.skipif(not (torch.cuda.is_available() or INTERPRETED), reason="needs a GPU, or TRITON_INTERPRET=1")
@pytest.mark.parametrize("width", [5, 128, 576, 896])
def test_the_kernel_gives_what_pytorch_gives(width: int) -> None:
    from train.memory.gpu_kernel import sum_bags

    device = "cuda" if torch.cuda.is_available() else "cpu"
    table, index, weights, begins = (tensor.to(device) for tensor in some_bags(width))
    torch.testing.assert_close(sum_bags(table, index, weights, begins), embedding_bag(table, index, weights, begins))
