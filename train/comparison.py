"""Compares runs of any pipelines side by side, as long as they were asked the same questions about the same model."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from augment.errors import DatasetError
from train.report import RunResult, headline_table, read_run, write_report
from train.report.results import BASE_METHOD

RECORD, BASE = "evaluation.json", "base"


def report_runs(folders: Sequence[Path], to: Path, say: Callable[[str], None]) -> Path:
    """Write a report that shows each run as a method of its own, and print its headline table."""
    runs = gather_runs(folders)
    paths = write_report(runs, to, "Runs side by side", None)
    say(headline_table(runs))
    say(f"report: {paths.html}")
    return paths.html


def gather_runs(folders: Sequence[Path]) -> list[RunResult]:
    """The runs under names that tell them apart, and the base model of the first; a base among them is that one.

    Raises DatasetError when nothing but base models is there, or a run's base was asked other questions.
    """
    chosen = list(dict.fromkeys(folder.resolve() for folder in folders))
    named = zip(chosen, name_folders(chosen), strict=True)
    runs = [name_run(read_run(folder / RECORD), name) for folder, name in named]
    trained = [run for run in runs if run.method != BASE_METHOD]
    if not trained:
        raise DatasetError(f"{folders[0]} is a base model's evaluation", "name runs to compare, e.g. OUT/train/memory")
    return [find_base(chosen), *trained]


def name_run(run: RunResult, name: str) -> RunResult:
    """The run as a method by its own name: other settings, notes or seeds are what is compared here."""
    return run if run.method == BASE_METHOD else replace(run, run=name, method=name)


def name_folders(folders: Sequence[Path]) -> list[str]:
    """The last parts of the paths, as many as tell them apart; a pipeline's `train` folder goes unsaid."""
    parts = [[part for part in folder.parts if part != "train"] for folder in folders]
    longest = max(map(len, parts))
    for number in range(1, longest + 1):
        names = ["/".join(part[-number:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in folders]


def find_base(folders: Sequence[Path]) -> RunResult:
    """The first evaluation of a base model beside the runs. Raises DatasetError when there is none."""
    for folder in folders:
        if (path := folder.parent / BASE / RECORD).is_file():
            return read_run(path)
    beside = os.path.join(folders[0].parent, BASE)
    raise DatasetError(f"no evaluation of the base model in {beside}", "evaluate it: `train evaluate FILE`")
