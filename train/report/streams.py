"""Turns streams of groups of documents into their R matrix, its figures with intervals, and a heat map.

R[i][j] is recall of group j's held-out questions after training on group i (Lopez-Paz & Ranzato 1706.08840); row 0 is
before any training. Of T groups, with R counted from 1:
1. Accuracy is the mean of R[T][j]: what is known at the end.
2. Backward transfer is the mean over j < T of R[T][j] - R[j][j]: below 0, later groups cost what was learned.
3. Forward transfer is the mean over j > 1 of R[j-1][j] - R[0][j]: above 0, earlier groups helped with later ones.
4. Forgetting is the mean over j < T of the best R[i][j], i from j to T, less R[T][j] (Chaudhry et al. 1801.10112).
Rows after which nothing was asked are unknown; a mean is over the groups whose figures are known.
Intervals: the questions of each group are drawn anew, the same ones for all rows, and all four are computed again.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from augment.escape import clip_end
from train.report.cells import ABSENT, MINUS, Cell, Column, Row, Table
from train.report.compare import Comparison
from train.report.plots import INK, MAX_NAME_CHARS, SERIES_COLOURS, own_style
from train.report.results import RunResult, Stream

NUM_DRAWS = 2000
DARKEST = 0.5  # opacity of a cell in which all is recalled
MOST_WITH_TEXT = 12  # groups whose cells have room for a figure
NAMES = {"accuracy": "Accuracy", "backward": "Backward transfer", "forward": "Forward transfer"}
NAMES |= {"forgetting": "Forgetting"}
Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StreamFigure:
    """A figure of a stream with its 95 % interval."""

    mean: float
    low: float
    high: float


def matrix_of(stream: Stream) -> Matrix:
    """Recall (groups + 1, groups): before any training, then after each group; NaN where nothing was asked."""
    unknown: tuple[tuple[int, ...], ...] = ((),) * len(stream.groups)
    rows = [stream.before, *(row or unknown for row in stream.after)]
    return np.array([[np.mean(answers) if answers else np.nan for answers in row] for row in rows], dtype=np.float64)


def measure(matrix: Matrix) -> dict[str, NDArray[np.float64]]:
    """The four figures of matrices (..., T + 1, T); what was not asked is left out, NaN where nothing is left."""
    last = matrix.shape[-1] - 1
    own = np.stack([matrix[..., j + 1, j] for j in range(last + 1)], -1)
    best = np.stack([np.fmax.reduce(matrix[..., j + 1 :, j], -1) for j in range(last + 1)], -1)
    ahead = np.stack([matrix[..., j, j] - matrix[..., 0, j] for j in range(last + 1)], -1)
    return {
        "accuracy": mean_known(matrix[..., -1, :]),
        "backward": mean_known((matrix[..., -1, :] - own)[..., :last]),
        "forward": mean_known(ahead[..., 1:]),
        "forgetting": mean_known(np.where(np.isnan(own), np.nan, best - matrix[..., -1, :])[..., :last]),
    }


def mean_known(values: Matrix) -> NDArray[np.float64]:
    """Mean over the last axis of what is a number."""
    known = ~np.isnan(values)
    total: NDArray[np.float64] = np.where(known, values, 0).sum(-1)
    means: NDArray[np.float64] = total / np.where(known.any(-1), known.sum(-1), np.nan)
    return means


def measure_stream(stream: Stream) -> dict[str, StreamFigure | None]:
    """The four figures; None where no group has them, as transfer with a single one."""
    means, draws = measure(matrix_of(stream)), measure(draw_matrices(stream))
    found: dict[str, StreamFigure | None] = {}
    for name, mean in means.items():
        low, high = np.quantile(draws[name], [0.025, 0.975])
        found[name] = None if np.isnan(mean) else StreamFigure(float(mean), float(low), float(high))
    return found


def draw_matrices(stream: Stream) -> Matrix:
    """Matrices (NUM_DRAWS, T + 1, T), each over questions drawn anew within their groups."""
    generator, columns = np.random.default_rng(0), []
    unknown = tuple((np.nan,) * len(answers) for answers in stream.before)
    for right in zip(stream.before, *(row or unknown for row in stream.after), strict=True):
        answers = np.array(right, dtype=np.float64)  # (T + 1, n)
        n = answers.shape[1]
        if not n:
            columns.append(np.full((NUM_DRAWS, len(answers)), np.nan))
            continue
        drawn = generator.multinomial(n, np.full(n, 1 / n), size=NUM_DRAWS) / n
        columns.append(drawn @ answers.T)
    return np.stack(columns, -1)


def list_streams(comparison: Comparison) -> list[tuple[int, RunResult, Stream]]:
    """The runs that were trained on groups, with the place of their method."""
    runs = [(i, run.result) for i, method in enumerate(comparison.methods) for run in method.runs]
    return [(i, run, run.stream) for i, run in runs if run.stream is not None]


def make_stream_tables(comparison: Comparison) -> tuple[Table, ...]:
    """The four figures, a row for each run, and the matrix of each; none where no run is a stream."""
    found = list_streams(comparison)
    if not found:
        return ()
    n = sum(map(len, found[0][2].before))
    columns = tuple(Column(name, f"n = {n}") for name in NAMES.values())
    rows = [Row(run.run, tuple(map(write_figure, measure_stream(stream).values())), i) for i, run, stream in found]
    caption = "What was known along a stream of groups of documents, in per cent of held-out questions."
    return Table(caption, "Run", columns, tuple(rows)), *(make_matrix_table(run.run, s) for _, run, s in found)


def write_figure(figure: StreamFigure | None) -> Cell:
    """Points of per cent with the interval, faint where that holds 0 and could be no change."""
    if figure is None:
        return Cell(ABSENT)
    mean, low, high = (f"{100 * value:.0f}".replace("-", MINUS) for value in (figure.mean, figure.low, figure.high))
    return Cell(mean, f"[{low}, {high}]", faint=figure.low <= 0 <= figure.high)


def make_matrix_table(run: str, stream: Stream) -> Table:
    """R of one run, rows in the order of training."""
    columns = tuple(Column(name_group(stream, j), f"n = {len(stream.before[j])}") for j in range(len(stream.groups)))
    names = ["before", *(f"after {name_group(stream, i)}" for i in range(len(stream.groups)))]
    matrix = matrix_of(stream)
    asked = [pair for pair in zip(names, matrix, strict=True) if not np.isnan(pair[1]).all()]
    rows = [Row(name, tuple(map(write_recall, row))) for name, row in asked]
    return Table(f"Recall of each group's held-out questions along the stream of {run}.", "", columns, tuple(rows))


def write_recall(value: float) -> Cell:
    """A share in per cent."""
    return Cell(ABSENT if np.isnan(value) else f"{100 * value:.0f} %")


def name_group(stream: Stream, place: int) -> str:
    """`group 2`."""
    return f"group {place + 1}"


def draw_streams(comparison: Comparison, width_inches: float = 10.0) -> Figure:
    """A heat map of each run's R, two side by side where there is room; the figures stand in the cells."""
    found = list_streams(comparison)
    num_columns = 2 if width_inches > 6 and len(found) > 1 else 1
    num_rows = -(-len(found) // num_columns)
    with own_style():
        figure = Figure(figsize=(width_inches, 3.2 * num_rows), layout="constrained")
        panels = figure.subplots(num_rows, num_columns, squeeze=False).flatten()
        for axes in panels[len(found) :]:
            axes.set_axis_off()
        for axes, (_, run, stream) in zip(panels, found, strict=False):
            draw_matrix(axes, run.run, stream)
    return figure


def draw_matrix(axes: Any, name: str, stream: Stream) -> None:
    """One heat map: the more was recalled, the more colour; text stays readable on it in light and dark.

    Of many groups the cells are too small for their figures, which stand in the table.
    """
    matrix, size = matrix_of(stream), len(stream.groups)
    for (i, j), value in np.ndenumerate(matrix):
        alpha = 0.0 if np.isnan(value) else DARKEST * float(value)
        axes.add_patch(Rectangle((j, i), 1, 1, facecolor=SERIES_COLOURS[1], alpha=alpha, linewidth=0))
        text = ABSENT if np.isnan(value) else f"{100 * value:.0f}"
        if size <= MOST_WITH_TEXT:
            axes.text(j + 0.5, i + 0.5, text, ha="center", va="center", color=INK, fontsize=9)
    axes.set(xlim=(0, size), ylim=(size + 1, 0))
    axes.set_title(clip_end(name, MAX_NAME_CHARS))
    every = -(-size // MOST_WITH_TEXT)  # a tick for each of few groups, for some of many
    axes.set_xticks(np.arange(0, size, every) + 0.5, [str(j + 1) for j in range(0, size, every)])
    axes.set_yticks(np.arange(0, size + 1, every) + 0.5, ["before", *(str(i) for i in range(every, size + 1, every))])
    axes.set(xlabel="Asked about group", ylabel="After training on group")
    axes.grid(visible=False)


def record_stream(stream: Stream) -> dict[str, Any]:
    """The matrix and its figures, for programs; None for what is not a number."""
    matrix: Sequence[Sequence[float]] = matrix_of(stream).tolist()
    return {
        "groups": [list(group) for group in stream.groups],
        "num_questions": [len(answers) for answers in stream.before],
        "recall": [[None if np.isnan(value) else value for value in row] for row in matrix],
        "figures": {name: asdict(figure) if figure else None for name, figure in measure_stream(stream).items()},
    }
