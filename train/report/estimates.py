"""Says how sure a figure of one method is: an interval by drawing its questions or texts, and its runs, anew."""

from collections.abc import Sequence

import numpy as np

from train.report.bootstrap import Difference, Sums, bootstrap_difference
from train.report.compare import MethodSummary
from train.report.intervals import wilson_interval
from train.report.results import RunResult
from train.report.sums import Read


def estimate(method: MethodSummary, base: RunResult, read: Read) -> Difference | None:
    """The mean over groups and runs; None where a run does not have the figure of the same groups as the base."""
    sizes = sizes_of(base, read)
    ours = stack_sums(method.results, base, read)
    return None if ours is None else bootstrap_difference(ours, np.zeros((1, len(sizes))), sizes)


def share_interval(method: MethodSummary, base: RunResult, read: Read) -> tuple[float, float]:
    """Of a share of questions, within [0, 1]: Wilson's interval of one run; of several, seeds are drawn anew, too.

    Wilson's knows nothing of how seeds vary, and the bootstrap has no width where all agree: the wider bounds count.
    """
    if (found := estimate(method, base, read)) is None:
        return 0.0, 1.0
    low, high = wilson_interval(found.mean, found.n)
    return (low, high) if len(method.runs) == 1 else (min(low, found.low), max(high, found.high))


def estimate_change(method: MethodSummary, base: RunResult, read: Read) -> Difference | None:
    """The same, less the base's."""
    ours, theirs = stack_sums(method.results, base, read), stack_sums([base], base, read)
    return None if ours is None or theirs is None else bootstrap_difference(ours, theirs, sizes_of(base, read))


def sizes_of(base: RunResult, read: Read) -> Sums:
    """How many were summed in each group."""
    return np.array([size for _, size in read(base, base).values()], dtype=np.float64)


def stack_sums(runs: Sequence[RunResult], base: RunResult, read: Read) -> Sums | None:
    """Sums (R, G) of the base's groups; None where some run has other groups."""
    wanted, found = read(base, base), [read(run, base) for run in runs]
    sizes = {key: size for key, (_, size) in wanted.items()}
    if any({key: size for key, (_, size) in run.items()} != sizes for run in found):
        return None
    return np.array([[run[key][0] for key in wanted] for run in found], dtype=np.float64)
