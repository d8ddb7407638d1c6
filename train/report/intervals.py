"""Turns a share of n questions into the range that its true value plausibly lies in."""

from math import sqrt

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
