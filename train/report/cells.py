"""Figures as text: the cells that tables are made of, and how each kind of figure is written."""

from collections.abc import Callable
from dataclasses import dataclass

from train.report.compare import Spread
from train.report.intervals import wilson_interval
from train.report.results import Phrasing

PHRASING_NAMES: dict[Phrasing, str] = {
    "cue": "Cue", "held_out": "Held-out", "reversed": "Reversed", "two_hop": "Two-hop", "choice": "Multiple choice",
    "free": "Free answer",
}  # fmt: skip
ABSENT, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure, its interval if it has one, whether it is the best of its column, and whether it may be chance."""

    text: str
    interval: str = ""
    best: bool = False
    faint: bool = False

    @property
    def line(self) -> str:
        return f"{self.text} {self.interval}".strip()


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    note: str = ""

    @property
    def line(self) -> str:
        return f"{self.name} ({self.note})" if self.note else self.name


@dataclass(frozen=True, slots=True)
class Row:
    """`series` is the colour of the row's method, as in the plots; None where rows are not methods."""

    name: str
    cells: tuple[Cell, ...]
    series: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    caption: str
    corner: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def write_share(spread: Spread, n: int) -> Cell:
    """A share of n questions of one run, with its Wilson interval."""
    if n == 0:
        return Cell(ABSENT)
    low, high = wilson_interval(spread.mean, n)
    return Cell(write_percent(spread).text, f"[{100 * low:.0f}, {100 * high:.0f}]")


def write_percent(spread: Spread) -> Cell:
    return Cell(f"{100 * spread.mean:.0f} %{_write_range(spread, lambda value: f'{100 * value:.0f}')}")


def write_change(spread: Spread) -> Cell:
    """A relative change against the base, with its sign."""
    return Cell(write_signed(spread.mean) + _write_range(spread, lambda value: f"{100 * value:.1f}"))


def write_signed(change: float) -> str:
    return f"{100 * change:+.1f} %".replace("-", MINUS)


def write_points(difference: float, form: str = "{:+.0f}", factor: float = 100) -> str:
    """A difference with its sign, in points of per cent by default; one that rounds to nothing has no sign."""
    text = form.format(factor * difference)
    return (text if text.strip("+-0.") else text[1:]).replace("-", MINUS)


def write_count(spread: Spread) -> Cell:
    return Cell(f"{_round_count(spread.mean)}{_write_range(spread, _round_count)}")


def write_decimal(spread: Spread) -> Cell:
    return Cell(f"{spread.mean:,.2f}{_write_range(spread, lambda value: f'{value:,.2f}')}")


def write_nats(spread: Spread) -> Cell:
    return Cell(f"{spread.mean:.3f}{_write_range(spread, lambda value: f'{value:.3f}')}")


def _write_range(spread: Spread, write: Callable[[float], str]) -> str:
    return f" ± {write(spread.half_range)}" if spread.high > spread.low else ""


def _round_count(value: float) -> str:
    """Half a lost answer is worth showing when few are counted, never in a million tokens."""
    return f"{value:,.1f}" if value < 100 and value != int(value) else f"{value:,.0f}"
