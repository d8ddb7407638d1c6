"""Turns evaluated runs into a folder of report files: JSON, Markdown, plots and one self-contained page."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from train.report.contents import gather_contents
from train.report.curves import draw_matched_learning
from train.report.markdown import render_markdown
from train.report.page import render_page
from train.report.plots import draw_learning_and_forgetting, draw_recall_by_phrasing, render_png, render_svg
from train.report.record import render_record
from train.report.results import Material, NoteCounts, RunResult


@dataclass(frozen=True, slots=True)
class ReportPaths:
    record: Path
    markdown: Path
    html: Path
    learning_png: Path
    learning_svg: Path
    phrasing_png: Path
    matched_png: Path | None = None


def write_report(
    runs: Sequence[RunResult], folder: Path, title: str, notes: NoteCounts, material: Material | None = None
) -> ReportPaths:
    """Write every file of the report into `folder`, each whole or not at all.

    The same runs give the same bytes. Raises DatasetError, before anything is written, if the base model's
    run is missing or a run cannot be compared with it.
    """
    report = gather_contents(runs, title, notes, material or Material())
    learning = draw_learning_and_forgetting(report.comparison)
    contents = {
        "report.json": render_record(report).encode(),
        "report.md": render_markdown(report).encode(),
        "report.html": render_page(report).encode(),
        "learning_versus_forgetting.png": render_png(learning),
        "learning_versus_forgetting.svg": render_svg(learning).encode(),
        "recall_by_phrasing.png": render_png(draw_recall_by_phrasing(report.comparison)),
    }
    if report.matched:
        contents["matched_learning.png"] = render_png(draw_matched_learning(report.matched))
    folder.mkdir(parents=True, exist_ok=True)
    return ReportPaths(*(_replace_file(folder / name, content) for name, content in contents.items()))


def _replace_file(path: Path, content: bytes) -> Path:
    """A reader sees the old file or the new one, never a part."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    staged = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        staged.chmod(0o644)
        os.replace(staged, path)
    finally:
        staged.unlink(missing_ok=True)
    return path
