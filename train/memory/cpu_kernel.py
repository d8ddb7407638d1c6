"""The weighted sums of `sums.py` on a CPU: four rows at once, while later ones are on their way from memory.

PyTorch's embedding bag reads one row after the other, and a row of a large table begins somewhere new each time, so a
core mostly waits for memory. Needs Numba, so it is imported only where a table is large; compiled once a process.
"""

from threading import Lock
from typing import Any

import numba
import torch
from llvmlite import ir
from numba import njit, prange, types
from numba.core import cgutils
from numba.extending import intrinsic
from torch import Tensor

ROWS, AHEAD, LINE = 4, 8, 16  # rows read at once; rows asked for ahead; numbers in a cache line
THREADS = torch.get_num_threads()  # Numba's start of its own, below, sets this to the number of cores
ONE_CALL = Lock()  # one of Numba's thread pools ends the process when two threads use it at once


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(typing_context: Any, table: Any, row: Any, column: Any) -> Any:
    """Ask for the cache line of table[row, column], to the second level: the first has too few places for so many."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        at = cgutils.get_item_pointer(context, builder, signature.args[0], array, arguments[1:], wraparound=False)
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        shape = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        call = cgutils.get_or_insert_function(builder.module, shape, "llvm.prefetch")
        builder.call(call, [builder.bitcast(at, byte), number(0), number(2), number(1)])  # a read, level 2, of data
        return context.get_dummy_value()

    return types.void(table, row, column), generate


@njit(inline="always")  # type: ignore[untyped-decorator]
def add_row(out: Any, row: Any, weight: Any) -> None:
    """out += weight * row."""
    for i in range(len(out)):
        out[i] += weight * row[i]


@njit(  # type: ignore[untyped-decorator]
    "void(f4[:,::1], i8[::1], f4[::1], i8[::1], f4[:,::1])", parallel=True, nogil=True, fastmath={"contract"}
)
def sum_into(table: Any, index: Any, weights: Any, begins: Any, out: Any) -> None:
    """Each bag's sum to its row of `out`."""
    for bag in prange(len(begins) - 1):
        item, end, total = begins[bag], begins[bag + 1], out[bag]
        total[:] = 0
        while item + ROWS <= end:
            soon = min(item + AHEAD, len(index) - ROWS)
            for row in range(soon, soon + ROWS):
                for column in range(0, table.shape[1], LINE):
                    prefetch(table, index[row], column)
            a, b, c, d = table[index[item]], table[index[item + 1]], table[index[item + 2]], table[index[item + 3]]
            w, x, y, z = weights[item], weights[item + 1], weights[item + 2], weights[item + 3]
            for i in range(len(total)):  # written out: faster than through a function
                total[i] = total[i] + w * a[i] + x * b[i] + y * c[i] + z * d[i]
            item += ROWS
        for rest in range(item, end):
            add_row(total, table[index[rest]], weights[rest])


torch.set_num_threads(THREADS)


def sum_bags(table: Tensor, index: Tensor, weights: Tensor, begins: Tensor) -> Tensor:
    """`weighted_sums` of fp32 tensors on the CPU, in as many threads as PyTorch uses."""
    out = torch.empty(len(begins) - 1, table.shape[1])
    arrays = [tensor.detach().contiguous().numpy() for tensor in (table, index, weights, begins)]
    with ONE_CALL:
        numba.set_num_threads(min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS))
        sum_into(*arrays, out.numpy())
    return out
