"""Turns a share of n questions into the range that its true value plausibly lies in, and tests changes of answers."""

from math import comb, sqrt

Z_95 = 1.959963984540054  # the 97.5 % point of the normal distribution


def wilson_interval(share: float, n: int) -> tuple[float, float]:
    """The 95 % score interval of a share over n trials, within [0, 1]; (0, 1) when n is 0.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
    American Statistical Association 22 (1927), 209-212. No continuity correction.
    """
    if n == 0:
        return 0.0, 1.0
    centre = share + Z_95**2 / (2 * n)
    half = Z_95 * sqrt(share * (1 - share) / n + Z_95**2 / (4 * n**2))
    scale = 1 + Z_95**2 / n
    # Rounding must not push a bound past the share itself, which at 0 and 1 is the bound.
    return min(share, max(0.0, (centre - half) / scale)), max(share, min(1.0, (centre + half) / scale))


def mcnemar_exact(lost: int, gained: int) -> float:
    """Two-sided p-value that right answers turn wrong as often as wrong ones turn right; 1 when nothing changed.

    Q. McNemar, Psychometrika 12 (1947), 153-157, by the binomial distribution of `lost` among all that changed.
    """
    num_changed, fewer = lost + gained, min(lost, gained)
    outcomes = sum(comb(num_changed, i) for i in range(fewer + 1))
    return min(1.0, outcomes / (1 << num_changed) * 2)
