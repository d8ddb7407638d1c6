"""Sums weighted rows of a table, bag by bag: what a lookup reads, and what the read rows' gradients are made of."""

from importlib.util import find_spec

import torch.nn.functional as F
from torch import Tensor

HAS_TRITON = find_spec("triton") is not None
HAS_NUMBA = find_spec("numba") is not None
LARGE = 2**24  # numbers in a table that no cache holds


def weighted_sums(table: Tensor, index: Tensor, weights: Tensor, begins: Tensor) -> Tensor:
    """For each bag b: sum of weights[i] * table[index[i]] over begins[b] <= i < begins[b + 1].

    `table` (N, d) fp32, `index` and `weights` (I,), `begins` (B + 1,) ascending; returns (B, d). One fused kernel where
    there is a GPU; on a CPU one for tables that no cache holds, and PyTorch's embedding bag for others.
    """
    if table.is_cuda and HAS_TRITON:
        from train.memory import gpu_kernel

        return gpu_kernel.sum_bags(table, index, weights, begins)
    if table.device.type == "cpu" and HAS_NUMBA and table.numel() >= LARGE:
        from train.memory import cpu_kernel

        return cpu_kernel.sum_bags(table, index, weights, begins)
    return F.embedding_bag(index, table, begins, per_sample_weights=weights, mode="sum", include_last_offset=True)
