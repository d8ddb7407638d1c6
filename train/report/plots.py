"""Turns a comparison into plots: learning against forgetting, one point per run, and recall by phrasing."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from math import ceil, floor

import matplotlib
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from augment.escape import clip_end
from train.report.cells import PHRASING_NAMES
from train.report.compare import Comparison, MethodSummary, RunComparison
from train.report.estimates import share_interval
from train.report.intervals import wilson_interval
from train.report.labels import NamedPoint, place_names
from train.report.results import Phrasing
from train.report.sums import read_kind

# The page swaps these colours for those of its light or dark theme; the first one is the base model's.
SERIES_COLOURS = ("#6a6a66", "#0b64a0", "#b8430c", "#0c7468", "#7b3f98", "#8a6100", "#b3245e", "#3f5a73")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
INK, RULE = "#1c1c1a", "#dcdcd6"
MAX_NAME_CHARS = 32
LEGEND_CHARS_PER_INCH = 15
ROOM_FOR_NAMES = 8
MATCH = "Exact match (%)"
STYLE = {
    "svg.hashsalt": "ingrain",
    "text.parse_math": False,  # a dollar sign in a run's name is no formula
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 1.0,
    "legend.columnspacing": 1.4,
    "figure.dpi": 100,
    "savefig.dpi": 180,
}

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Panel:
    """One view over all runs: their held-out recall against another figure, both in per cent."""

    title: str
    axis: str
    level: float
    read: Callable[[RunComparison], float]
    interval: Callable[[RunComparison], Interval] | None
    limits: Callable[[float, float], Interval]


def draw_learning_and_forgetting(comparison: Comparison) -> Figure:
    """Both panels side by side, as they stand in a paper."""
    with own_style():
        figure = Figure(figsize=(10, 4.3), layout="constrained")
        for axes, panel in zip(figure.subplots(1, 2), PANELS, strict=True):
            _draw_points(axes, panel, comparison)
        _name_points(figure, comparison)
    return figure


def draw_panel(comparison: Comparison, panel: Panel) -> Figure:
    """One panel alone, small enough to be read on a phone."""
    with own_style():
        figure = Figure(figsize=(4.8, 3.9), layout="constrained")
        _draw_points(figure.subplots(), panel, comparison)
        _name_points(figure, comparison, [panel])
    return figure


def draw_recall_by_phrasing(comparison: Comparison, width_inches: float = 7.2) -> Figure:
    """Bars of exact match per phrasing, with Wilson intervals; methods in the order of the tables."""
    per_row = 6 if width_inches > 6 else 3
    rows = [comparison.phrasings[i : i + per_row] for i in range(0, len(comparison.phrasings), per_row)]
    with own_style():
        figure = Figure(figsize=(width_inches, 0.7 + 2.9 * len(rows)), layout="constrained")
        for axes, phrasings in zip(figure.subplots(len(rows), 1, squeeze=False).flatten(), rows, strict=True):
            for series, method in enumerate(comparison.methods):
                _draw_bars(axes, comparison, method, series, phrasings)
            axes.set_xticks(range(len(phrasings)), [_name_phrasing(comparison, phrasing) for phrasing in phrasings])
            axes.set(ylim=(0, 108), xlim=(-0.5, min(per_row, len(comparison.phrasings)) - 0.5), ylabel=MATCH)
            axes.grid(visible=False, axis="x")
        handles = figure.axes[0].get_legend_handles_labels()
        columns = _count_legend_columns(comparison, width_inches)
        figure.legend(*handles, loc="outside upper left", ncols=columns)
    return figure


def render_png(figure: Figure) -> bytes:
    buffer = BytesIO()
    with own_style():
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def render_svg(figure: Figure, text_as: str = "path") -> str:
    """Same figure, same bytes: no date, ids that hash the content. Text as `path` looks alike everywhere."""
    buffer = BytesIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with own_style(), matplotlib.rc_context({"svg.fonttype": text_as}):
        figure.savefig(buffer, format="svg", metadata=nothing, transparent=text_as == "none")
    return buffer.getvalue().decode("utf-8")


def pick_colour(series: int) -> str:
    return SERIES_COLOURS[wrap_series(series)]


def wrap_series(series: int) -> int:
    """Colours come round again after seven methods; the base model's is never reused."""
    return 0 if series == 0 else 1 + (series - 1) % (len(SERIES_COLOURS) - 1)


@contextmanager
def own_style() -> Iterator[None]:
    """The user's own matplotlib configuration must not change a report."""
    with matplotlib.style.context(["default", STYLE]):
        yield


def _read_recall(run: RunComparison) -> float:
    return 100 * run.result.recall("held_out").em


def _recall_interval(run: RunComparison) -> Interval:
    recall = run.result.recall("held_out")
    return _percent(wilson_interval(recall.em, recall.n))


def _kept_interval(run: RunComparison) -> Interval:
    """The base keeps all by definition, so it has no error."""
    retention = run.result.retention
    if run.result.is_base:
        return 100 * retention.kept, 100 * retention.kept
    return _percent(wilson_interval(retention.kept, retention.num_known))


def _percent(interval: Interval) -> Interval:
    return 100 * interval[0], 100 * interval[1]


def _limit_kept(low: float, _high: float) -> Interval:
    """Whole tens from below the lowest point up to 100 %, with room for the marks on the upper edge."""
    bottom = 10.0 * max(0, min(8, floor(low / 10)))
    return bottom, 100 + 0.06 * (100 - bottom)


def _limit_change(low: float, high: float) -> Interval:
    room = max(0.12 * (high - low), 0.5)
    return low - room, high + room


PANELS = (
    Panel(
        title="Up and to the right is better",
        axis="Known answers kept (%)",
        level=100.0,
        read=lambda run: 100 * run.result.retention.kept,
        interval=_kept_interval,
        limits=_limit_kept,
    ),
    Panel(
        title="Down and to the right is better",
        axis="Change of loss on general text (%)",
        level=0.0,
        read=lambda run: 100 * run.nll_change,
        interval=None,
        limits=_limit_change,
    ),
)


def _draw_points(axes: Axes, panel: Panel, comparison: Comparison) -> None:
    axes.axhline(panel.level, color=SERIES_COLOURS[0], linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    for series, method in enumerate(comparison.methods):
        for run in method.runs:
            _draw_point(axes, panel, run, series)
    values = [value for run in comparison.runs for value in _list_extent(panel, run)]
    axes.set_ylim(*panel.limits(min(values), max(values)))
    right = max(_recall_interval(run)[1] for run in comparison.runs)
    axes.set_xlim(-2, max(20, 10 * ceil(right / 10)) + ROOM_FOR_NAMES)
    axes.set_xticks([tick for tick in axes.get_xticks() if 0 <= tick <= 100])
    axes.set_xlabel("Held-out recall, exact match (%)")
    axes.set_ylabel(panel.axis)
    axes.set_title(panel.title)


def _draw_point(axes: Axes, panel: Panel, run: RunComparison, series: int) -> None:
    x, y, colour = _read_recall(run), panel.read(run), pick_colour(series)
    axes.hlines(y, *_recall_interval(run), color=colour, linewidth=1.1, alpha=0.4, zorder=2)
    if panel.interval:
        axes.vlines(x, *panel.interval(run), color=colour, linewidth=1.1, alpha=0.4, zorder=2)
    axes.plot([x], [y], MARKERS[wrap_series(series)], color=colour, markersize=6.5, zorder=3, clip_on=False)


def _list_extent(panel: Panel, run: RunComparison) -> Sequence[float]:
    return panel.interval(run) if panel.interval else (panel.level, panel.read(run))


def _name_points(figure: Figure, comparison: Comparison, panels: Sequence[Panel] = PANELS) -> None:
    """Names need the final place of the axes, so the figure is laid out once and then frozen."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes, panel in zip(figure.axes, panels, strict=True):
        place_names(axes, list(_list_named_points(comparison, panel)))


def _list_named_points(comparison: Comparison, panel: Panel) -> Iterator[NamedPoint]:
    for series, method in enumerate(comparison.methods):
        for run in method.runs:
            name = clip_end(run.result.run, MAX_NAME_CHARS)
            yield NamedPoint(_read_recall(run), panel.read(run), name, pick_colour(series))


def _draw_bars(
    axes: Axes, comparison: Comparison, method: MethodSummary, series: int, phrasings: Sequence[Phrasing]
) -> None:
    num_series = len(comparison.methods)
    width = 0.8 / num_series
    for i, phrasing in enumerate(phrasings):
        x = i + (series - (num_series - 1) / 2) * width
        mean = method.recall_em[phrasing].mean
        low, high = share_interval(method, comparison.base, read_kind(phrasing))
        label = clip_end(method.label, MAX_NAME_CHARS) if i == 0 else None
        axes.bar(x, 100 * mean, 0.92 * width, color=pick_colour(series), label=label)
        axes.plot((x, x), (100 * low, 100 * high), color=INK, linewidth=0.9)
        axes.annotate(f"{100 * mean:.0f}", (x, 100 * high), (0, 1.5), textcoords="offset points",
                      horizontalalignment="center", verticalalignment="bottom", fontsize=8)  # fmt: skip


def _count_legend_columns(comparison: Comparison, width_inches: float) -> int:
    longest = max(len(clip_end(method.label, MAX_NAME_CHARS)) for method in comparison.methods)
    return min(len(comparison.methods), max(1, int(LEGEND_CHARS_PER_INCH * width_inches) // (longest + 8)))


def _name_phrasing(comparison: Comparison, phrasing: Phrasing) -> str:
    return f"{PHRASING_NAMES[phrasing]}\n(n = {comparison.base.recall(phrasing).n})"
