"""Turns evaluated runs into a report on what each method learned and what it made the model forget."""

from train.report.read import read_run, read_runs
from train.report.results import FactPlaces, Material, NoteCounts, RunResult
from train.report.terminal import headline_table
from train.report.write import ReportPaths, write_report

__all__ = [
    "FactPlaces",
    "Material",
    "NoteCounts",
    "ReportPaths",
    "RunResult",
    "headline_table",
    "read_run",
    "read_runs",
    "write_report",
]
