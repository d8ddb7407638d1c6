"""Turns evaluated runs into a folder of report files: JSON, Markdown, plots and one self-contained page."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from train.report.contents import Contents, gather_contents
from train.report.curves import draw_matched_learning
from train.report.markdown import render_markdown
from train.report.page import render_page
from train.report.plots import draw_learning_and_forgetting, draw_recall_by_phrasing, render_png, render_svg
from train.report.record import render_record
from train.report.results import Material, NoteCounts, RunResult
from train.report.streams import draw_streams, list_streams


@dataclass(frozen=True, slots=True)
class ReportPaths:
    record: Path
    markdown: Path
    html: Path
    learning_png: Path
    learning_svg: Path
    phrasing_png: Path
    phrasing_svg: Path
    matched_png: Path | None = None
    matched_svg: Path | None = None
    stream_png: Path | None = None
    stream_svg: Path | None = None


FILES = {  # by the name that ReportPaths has for it
    "record": "report.json",
    "markdown": "report.md",
    "html": "report.html",
    "learning_png": "learning_versus_forgetting.png",
    "learning_svg": "learning_versus_forgetting.svg",
    "phrasing_png": "recall_by_phrasing.png",
    "phrasing_svg": "recall_by_phrasing.svg",
    "matched_png": "matched_learning.png",
    "matched_svg": "matched_learning.svg",
    "stream_png": "stream_recall.png",
    "stream_svg": "stream_recall.svg",
}


def write_report(
    runs: Sequence[RunResult], folder: Path, title: str, notes: NoteCounts | None, material: Material | None = None
) -> ReportPaths:
    """Write every file of the report into `folder`, each whole or not at all.

    The same runs give the same bytes. Raises DatasetError, before anything is written, if the base model's
    run is missing or a run cannot be compared with it.
    """
    report = gather_contents(runs, title, notes, material or Material())
    contents = {
        "record": render_record(report).encode(),
        "markdown": render_markdown(report).encode(),
        "html": render_page(report).encode(),
    }
    for name, figure in _draw_figures(report):
        contents |= {f"{name}_png": render_png(figure), f"{name}_svg": render_svg(figure).encode()}
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES.keys() - contents.keys():  # of an earlier report with other runs
        (folder / FILES[name]).unlink(missing_ok=True)
    return ReportPaths(**{name: _replace_file(folder / FILES[name], text) for name, text in contents.items()})


def _draw_figures(report: Contents) -> Iterator[tuple[str, Figure]]:
    yield "learning", draw_learning_and_forgetting(report.comparison)
    yield "phrasing", draw_recall_by_phrasing(report.comparison)
    if report.matched:
        yield "matched", draw_matched_learning(report.matched)
    if list_streams(report.comparison):
        yield "stream", draw_streams(report.comparison)


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
