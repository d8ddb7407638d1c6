"""Says how sure forgetting at equal learning is: every point of every curve measured again on drawn questions.

1. A draw takes as many facts, known questions and texts as there are, with replacement, the same ones for all methods
   and for all points of a curve, and as many runs of each method as it has, for each method on its own.
2. Each run's path is computed from them, and read at the same levels as the report; a path that does not get to a
   level is read where it recalls most.
3. The fronts' areas are measured again, and the methods compared by twos. The middle 95 % of all draws are the
   intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.report.compare import MethodSummary
from train.report.fronts import find_front, measure_area, reach
from train.report.results import Answer, CurvePoint, Parts, RunResult

NUM_DRAWS = 500
Values = NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class MatchedIntervals:
    """Intervals of what a method kept and how its loss changed at each level, and of the area under its front."""

    kept: tuple[Interval, ...]
    nll_change: tuple[Interval, ...]
    area: Interval


@dataclass(frozen=True, slots=True)
class Weights:
    """How often each held-out question, known question and text was drawn (NUM_DRAWS, number), tokens of each text."""

    held_out: Values
    known: Values
    texts: Values
    tokens: Values


def draw_weights(base: RunResult) -> Weights:
    """Facts with all their phrasings, the questions that the base knows, and texts; the same for every method."""
    generator = np.random.default_rng(0)
    ids = [answer.id for answer in held_out_of(base)]
    places = {name: i for i, name in enumerate(dict.fromkeys(ids))}
    facts = draw(generator, len(places))
    known = np.zeros((NUM_DRAWS, len(general_of(base))))
    known[:, known_places(base)] = draw(generator, len(known_places(base)))
    tokens = np.array([text.num_tokens for text in base.general.texts], dtype=np.float64)
    return Weights(facts[:, [places[name] for name in ids]], known, draw(generator, len(tokens)), tokens)


def draw(generator: np.random.Generator, number: int) -> Values:
    """How often each of `number` things is drawn (NUM_DRAWS, number)."""
    if not number:
        return np.zeros((NUM_DRAWS, 0))
    return generator.multinomial(number, np.full(number, 1 / number), size=NUM_DRAWS).astype(np.float64)


def held_out_of(run: RunResult) -> list[Answer]:
    """The answers to held-out questions, in the order in which they were asked."""
    return [answer for answer in run.answers if answer.kind == "held_out"]


def general_of(run: RunResult) -> list[Answer]:
    """The answers to general questions, in the order in which they were asked."""
    return [answer for answer in run.answers if answer.kind == "known"]


def known_places(base: RunResult) -> list[int]:
    """Where among the general questions those stand that the base answers."""
    return [i for i, answer in enumerate(general_of(base)) if answer.em]


def parts_of(run: RunResult) -> Parts:
    """What a finished run's point is made of."""
    held_out, known = ([int(answer.em) for answer in answers] for answers in (held_out_of(run), general_of(run)))
    return Parts(tuple(held_out), tuple(known), tuple(text.nll for text in run.general.texts))


def draw_figures(
    method: MethodSummary, series: int, levels: Sequence[float], base: RunResult, weights: Weights
) -> Values | None:
    """Each draw's (NUM_DRAWS, 2 L + 1): what was kept at each of L levels, how the loss changed there, and the area.

    `series` seeds which of its runs are drawn. None where the base knows nothing, or a point does not say what it is
    made of.
    """
    paths = [trace_parts(run, base) for run in method.results]
    sizes = [weights.held_out.shape[1], weights.known.shape[1], weights.texts.shape[1]]
    if (
        not all(sizes)
        or not weights.known.any()
        or not all(parts is not None and parts.sizes == sizes for path in paths for parts in path)
    ):
        return None
    curves = [[weigh(parts, weights) for parts in path if parts] for path in paths]
    chosen = np.random.default_rng(series).integers(0, len(paths), (NUM_DRAWS, len(paths)))
    return np.array([measure_draw([curves[r] for r in runs], d, levels) for d, runs in enumerate(chosen)])


def find_intervals(figures: Values) -> MatchedIntervals:
    """The middle 95 % of what was drawn."""
    low, high = np.quantile(figures, [0.025, 0.975], axis=0)
    bounds = [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
    num_levels = len(bounds) // 2
    return MatchedIntervals(tuple(bounds[:num_levels]), tuple(bounds[num_levels:-1]), bounds[-1])


def trace_parts(run: RunResult, base: RunResult) -> list[Parts | None]:
    """What the points of a run's path are made of: the base, the watched points, the finished run."""
    return [parts_of(base), *(point.parts for point in run.curve), parts_of(run)]


def weigh(parts: Parts, weights: Weights) -> tuple[Values, Values, Values]:
    """Recall, share kept and loss of one point in every draw."""
    recall = weights.held_out @ np.array(parts.held_out) / weights.held_out.sum(1)
    kept = weights.known @ np.array(parts.known) / weights.known.sum(1)
    return recall, kept, weights.texts @ np.array(parts.texts) / (weights.texts @ weights.tokens)


def measure_draw(curves: Sequence[Sequence[Any]], place: int, levels: Sequence[float]) -> list[float]:
    """What was kept and how the loss changed at each level, over the drawn runs, and the area under their front."""
    paths = [
        [CurvePoint(i, float(r[place]), float(k[place]), float(n[place])) for i, (r, k, n) in enumerate(curve)]
        for curve in curves
    ]
    reached = [[reach(path, min(level, max(p.recall for p in path))) for path in paths] for level in levels]
    kept = [sum(point.kept for point in points) / len(points) for points in reached]
    start = paths[0][0].nll
    change = [sum(point.nll for point in points) / len(points) / start - 1 for points in reached]
    return [*kept, *change, measure_area(find_front([point for path in paths for point in path]))]
