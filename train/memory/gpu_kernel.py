"""The weighted sums of `sums.py` as one Triton kernel: rows go to registers once, nothing is stored in between.

The same kernel makes the rows' gradients: there a bag is a row that will move, its items the tokens that read it.
Needs Triton, so it is imported only where a GPU is.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

COLUMNS, ITEMS, WARPS = 1024, 8, 2  # of one tile: whole rows of up to 1,024 numbers, read in one piece


@triton.jit  # type: ignore[untyped-decorator]
def sum_bag(table, index, weights, begins, out, width, COLUMNS: tl.constexpr, ITEMS: tl.constexpr):  # type: ignore[no-untyped-def]
    """One bag's sum in COLUMNS columns, ITEMS rows at a time."""
    bag = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    items = tl.arange(0, ITEMS)
    end = tl.load(begins + bag + 1)
    total = tl.zeros((COLUMNS,), tl.float32)
    for first in range(tl.load(begins + bag), end, ITEMS):
        there = first + items < end
        row = tl.load(index + first + items, mask=there, other=0)
        weight = tl.load(weights + first + items, mask=there, other=0.0)
        tile = there[:, None] & (columns < width)[None, :]
        values = tl.load(table + row[:, None] * width + columns[None, :], mask=tile, other=0.0)
        total += tl.sum(weight[:, None] * values, 0)
    tl.store(out + bag * width + columns, total, mask=columns < width)


def sum_bags(table: Tensor, index: Tensor, weights: Tensor, begins: Tensor) -> Tensor:
    """`weighted_sums` on the device of `table`; all tensors contiguous, `index` and `begins` int64."""
    num_bags, width = len(begins) - 1, table.shape[1]
    out = torch.empty(num_bags, width, device=table.device)
    if num_bags:
        grid = (num_bags, triton.cdiv(width, COLUMNS))
        sum_bag[grid](
            table, index.contiguous(), weights.contiguous(), begins, out, width, COLUMNS, ITEMS, num_warps=WARPS
        )
    return out
