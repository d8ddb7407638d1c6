"""Draws questions and seeds again and again, to say how large the difference of two methods is and how sure.

The paired bootstrap (Efron & Tibshirani 1993; Koehn 2004 for two systems on one test set), percentile interval:
1. Scores come as sums over groups that belong together: the phrasings of one fact, the tokens of one text.
2. A draw takes as many groups as there are, with replacement, the same ones for both methods.
3. It takes as many runs of each method as there are, with replacement, for each method on its own.
4. The difference of the two means is noted; the middle 95 % of all draws are the interval.
With one run of each method the interval covers the questions alone; two or three runs show less than how seeds vary.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUM_DRAWS, DRAWS_AT_ONCE = 2000, 200
Sums = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of means with its 95 % interval, over n questions (or tokens) in `num_groups` groups."""

    mean: float
    low: float
    high: float
    n: int
    num_groups: int

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0


def bootstrap_difference(ours: Sums, theirs: Sums, sizes: Sums) -> Difference | None:
    """Mean of `ours` (R, G) less that of `theirs` (S, G): sums over G groups of R and S runs; `sizes` (G,) how many
    were summed. None without a group. The same sums give the same interval."""
    if not sizes.size:
        return None
    generator = np.random.default_rng(0)
    draws = [_draw(generator, ours, theirs, sizes) for _ in range(NUM_DRAWS // DRAWS_AT_ONCE)]
    low, high = np.quantile(np.concatenate(draws), [0.025, 0.975])
    mean = (ours.mean(0).sum() - theirs.mean(0).sum()) / sizes.sum()
    return Difference(float(mean), float(low), float(high), int(sizes.sum()), len(sizes))


def _draw(generator: np.random.Generator, ours: Sums, theirs: Sums, sizes: Sums) -> Any:
    """Differences (DRAWS_AT_ONCE,) of drawn groups and runs."""
    groups = _draw_weights(generator, len(sizes))
    sums = [((_draw_weights(generator, len(s)) / len(s)) @ s * groups).sum(1) for s in (ours, theirs)]
    return (sums[0] - sums[1]) / (groups @ sizes)


def _draw_weights(generator: np.random.Generator, number: int) -> Any:
    """How often each of `number` things is drawn (DRAWS_AT_ONCE, number)."""
    return generator.multinomial(number, np.full(number, 1 / number), size=DRAWS_AT_ONCE)
