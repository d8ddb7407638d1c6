"""Turns watched trainings into a plot: what each run kept, and how its loss changed, as its recall rose."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from augment.escape import clip_end
from train.report.matched import Matched, MatchedLearning
from train.report.plots import MARKERS, MAX_NAME_CHARS, own_style, pick_colour, wrap_series


def draw_matched_learning(matched: MatchedLearning, size_inches: tuple[float, float] = (10, 4.3)) -> Figure:
    """Two panels, a line for each run and a step line for each method's front; levels of recall as vertical lines."""
    with own_style():
        figure = Figure(figsize=size_inches, layout="constrained")
        kept, loss = figure.subplots(1, 2) if size_inches[0] > size_inches[1] else figure.subplots(2, 1)
        for method in matched.methods:
            draw_front(kept, method)
            for i, path in enumerate(method.paths):
                recall, colour = [100 * point.recall for point in path], pick_colour(method.series)
                style = {"color": colour, "marker": MARKERS[wrap_series(method.series)], "markersize": 3.5}
                name = clip_end(method.label, MAX_NAME_CHARS) if i == 0 else "_"
                kept.plot(recall, [100 * point.kept for point in path], linewidth=1.2, label=name, **style)
                loss.plot(recall, [100 * (p.nll / path[0].nll - 1) for p in path], linewidth=1.2, **style)
        finish_axes(kept, matched, "Known answers kept (%)")
        finish_axes(loss, matched, "Change of loss on general text (%)")
        figure.legend(loc="outside upper left", ncols=min(4, len(matched.methods)))
    return figure


def draw_front(axes: Axes, method: Matched) -> None:
    """What was kept at best at each recall or above, as steps."""
    recall = [0.0, *(100 * point.recall for point in method.front)]
    kept = [100 * point.kept for point in method.front]
    axes.step(recall, [kept[0], *kept], where="pre", color=pick_colour(method.series), linewidth=4, alpha=0.2)


def finish_axes(axes: Axes, matched: MatchedLearning, name: str) -> None:
    """Labels, and the levels that methods are compared at."""
    for level in matched.levels:
        axes.axvline(100 * level, color=pick_colour(0), linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    axes.set(xlabel="Held-out recall, exact match (%)", ylabel=name)
