"""Sets the names of points in a plot beside them, so that no name covers another name or a point."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox, ScaledTranslation

Side = Literal["left", "center", "right"]
Height = Literal["top", "center", "bottom"]
Offset = tuple[float, float, Side, Height]


def _beside(y: float) -> tuple[Offset, Offset]:
    return (14, y, "left", "center"), (-14, y, "right", "center")


# Offsets in typographic points with the alignment that goes with them, the preferred
# ones first: diagonals stay clear of the interval bars, which run straight up and sideways.
NEAR: tuple[Offset, ...] = (
    (5, 4, "left", "bottom"), (5, -4, "left", "top"), (-5, 4, "right", "bottom"), (-5, -4, "right", "top"),
    (0, 7, "center", "bottom"), (0, -7, "center", "top"),
    (8, 0, "left", "center"), (-8, 0, "right", "center"),
)  # fmt: skip
FAR: tuple[Offset, ...] = tuple(offset for y in (18, -18, 30, -30, 42, -42, 54, -54) for offset in _beside(y))
POINT_RADIUS_PIXELS = 6.0
NAME_POINTS = 9


@dataclass(frozen=True, slots=True)
class NamedPoint:
    x: float
    y: float
    name: str
    colour: str


def place_names(axes: Axes, points: Sequence[NamedPoint]) -> None:
    """Set names from top to bottom, each at the first offset that is free and inside the axes.

    The limits of the axes must be final. A name that fits nowhere takes the first offset all the same.
    """
    taken = [_surround(axes, point) for point in points]
    for point in sorted(points, key=lambda point: (-point.y, point.x, point.name)):
        taken.append(_place_name(axes, point, taken))


def _place_name(axes: Axes, point: NamedPoint, taken: list[Bbox]) -> Bbox:
    for offset in (*NEAR, *FAR):
        note = _write_name(axes, point, offset)
        box = note.get_window_extent()
        if _is_inside(box, axes.get_window_extent()) and not box.count_overlaps(taken):
            if offset in FAR:
                _lead_to(axes, point, offset)
            return box
        note.remove()
    return _write_name(axes, point, NEAR[0]).get_window_extent()


def _write_name(axes: Axes, point: NamedPoint, offset: Offset) -> Text:
    x, y, side, height = offset
    place = axes.transData + ScaledTranslation(x / 72, y / 72, axes.figure.dpi_scale_trans)
    style = {"fontsize": NAME_POINTS, "color": point.colour, "transform": place, "parse_math": False}
    return axes.text(point.x, point.y, point.name, style, ha=side, va=height)


def _lead_to(axes: Axes, point: NamedPoint, offset: Offset) -> None:
    """A thin line from the point to a name that stands away from it."""
    line = {"arrowstyle": "-", "color": point.colour, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4}
    axes.annotate("", (point.x, point.y), offset[:2], textcoords="offset points", arrowprops=line)


def _surround(axes: Axes, point: NamedPoint) -> Bbox:
    x, y = axes.transData.transform((point.x, point.y))
    r = POINT_RADIUS_PIXELS
    return Bbox.from_extents(x - r, y - r, x + r, y + r)


def _is_inside(box: Bbox, frame: Bbox) -> bool:
    return frame.containsx(box.x0) and frame.containsx(box.x1) and frame.containsy(box.y0) and frame.containsy(box.y1)
