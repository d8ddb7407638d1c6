"""Turns runs into the plain-text table that a command prints when it is done."""

from collections.abc import Sequence

from augment.escape import clean_line
from train.report.compare import compare_runs
from train.report.results import RunResult
from train.report.tables import make_headline_table


def headline_table(runs: Sequence[RunResult]) -> str:
    """The headline figures in aligned columns, without a final newline; `*` marks the best of a column."""
    table = make_headline_table(compare_runs(runs))
    lines = [["Method", *(column.line for column in table.columns)]]
    for row in table.rows:
        lines.append([clean_line(row.name), *(cell.line + "*" * cell.best for cell in row.cells)])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    rule = ["-" * width for width in widths]
    return "\n".join(_align_line(line, widths) for line in [lines[0], rule, *lines[1:]])


def _align_line(parts: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()
