"""Prints statistics in a terminal."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from augment.escape import clean_line
from augment.statistics.measure import Statistics
from augment.statistics.tables import Table, count_table, diversity_table, reason_table


def print_statistics(statistics: Statistics, console: Console) -> None:
    """Counts, reasons and diversity; names in a dataset may be hostile, so they are printed as plain lines."""
    for heads, rows in (count_table(statistics), reason_table(statistics), diversity_table(statistics)):
        if rows:
            console.print(build_table((heads, rows)))
    if statistics.superseded:
        console.print(f"{statistics.superseded:,} notes of earlier plans (superseded) are not counted")


def build_table(table: Table) -> RichTable:
    """A table of rich's: the first column is text, the others are numbers."""
    heads, rows = table
    built = RichTable(box=SIMPLE_HEAD, padding=0)
    for i, head in enumerate(heads):
        built.add_column(Text(clean_line(head)), justify="right" if i else "left", no_wrap=bool(i))
    for row in rows:
        built.add_row(*(Text(clean_line(cell)) for cell in row))
    return built
