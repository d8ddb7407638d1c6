"""Names in a plot cover neither each other nor the points, and odd signs in them draw as they are."""

import pytest
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from train.report.inline import inline_svg
from train.report.labels import NamedPoint, place_names
from train.report.plots import render_png, render_svg


def draw(points: list[NamedPoint]) -> Figure:
    figure = Figure(figsize=(5, 4))
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    place_names(axes, points)
    return figure


def test_names_of_close_points_do_not_overlap() -> None:
    points = [NamedPoint(0.5 + 0.02 * i, 0.5, f"memory-{i}", "#000000") for i in range(5)]
    boxes = [text.get_window_extent() for text in draw(points).axes[0].texts if text.get_text()]
    assert len(boxes) == 5
    assert not [(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :] if Bbox.overlaps(a, b)]


def test_name_at_the_edge_stays_inside() -> None:
    axes = draw([NamedPoint(0.99, 0.99, "a rather long name", "#000000")]).axes[0]
    assert axes.texts[0].get_window_extent().x1 <= axes.get_window_extent().x1


@pytest.mark.parametrize("name", ["$x^{$", "a & b <i>", 'id="q"', "50 % _\\frac"])
def test_odd_signs_are_no_markup(name: str) -> None:
    figure = draw([NamedPoint(0.5, 0.5, name, "#000000")])
    assert render_png(figure).startswith(b"\x89PNG")
    assert "<i>" not in inline_svg(render_svg(figure, "none"), "plot", name)
