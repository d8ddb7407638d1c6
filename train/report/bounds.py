"""95 % intervals of a method's means, by the bootstrap, as the text in brackets."""

import math
from collections.abc import Callable

from train.report.bootstrap import Difference
from train.report.cells import MINUS
from train.report.compare import Comparison, MethodSummary
from train.report.estimates import estimate, estimate_change, share_interval
from train.report.sums import Read, read_answer_nll, read_fluency, read_kl, read_loss


def estimate_answer_nll(comparison: Comparison) -> Callable[[MethodSummary], str]:
    return lambda m: write_bounds(estimate(m, comparison.base, read_answer_nll), lambda value: f"{value:.2f}")


def estimate_percent(comparison: Comparison, read: Read) -> Callable[[MethodSummary], str]:
    """Interval of a mean that is shown in per cent."""
    return lambda m: write_bounds(estimate(m, comparison.base, read), lambda value: f"{100 * value:.0f}")


def estimate_share(comparison: Comparison, read: Read, n: int | None = None) -> Callable[[MethodSummary], str]:
    """Interval of a share of questions in per cent, or of how many of n they are."""

    def write(method: MethodSummary) -> str:
        low, high = (value * (100 if n is None else n) for value in share_interval(method, comparison.base, read))
        return f"[{low:.0f}, {high:.0f}]"

    return lambda m: write(m) if read(comparison.base, comparison.base) else ""


def estimate_kl(comparison: Comparison) -> Callable[[MethodSummary], str]:
    return lambda m: write_bounds(estimate(m, comparison.base, read_kl), lambda value: f"{value:.3f}")


def estimate_perplexity(comparison: Comparison) -> Callable[[MethodSummary], str]:
    """Perplexity is the exponential of the mean loss, and so are its bounds."""
    return lambda m: write_bounds(estimate(m, comparison.base, read_loss), lambda value: f"{_exp(value):,.2f}")


def estimate_perplexity_change(comparison: Comparison) -> Callable[[MethodSummary], str]:
    def write(value: float) -> str:
        return f"{100 * (_exp(value) - 1):+.1f}".replace("-", MINUS)

    return lambda m: write_bounds(estimate_change(m, comparison.base, read_loss), write)


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))


def write_bounds(found: Difference | None, write: Callable[[float], str]) -> str:
    """The interval in brackets; nothing where nobody recorded what it takes."""
    return f"[{write(found.low)}, {write(found.high)}]" if found else ""


def estimate_words(comparison: Comparison, kind: str) -> Callable[[MethodSummary], str]:
    return lambda m: write_bounds(estimate(m, comparison.base, read_fluency(kind, 1)), lambda value: f"{value:.0f}")
