"""Turns a comparison into `report.html`: one page that needs nothing but itself, readable on a phone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from augment.escape import clean_line, clip_end, clip_start
from train.report.compare import Change, Comparison, RunComparison
from train.report.contents import Contents
from train.report.curves import draw_matched_learning
from train.report.inline import inline_svg
from train.report.plots import PANELS, draw_panel, draw_recall_by_phrasing, render_svg, wrap_series
from train.report.samples import choose_samples
from train.report.streams import draw_streams, list_streams
from train.report.tables import (
    make_cost_table,
    make_forgetting_table,
    make_headline_table,
    make_notes_tables,
    make_overlap_table,
    make_recall_table,
)
from train.report.wording import READING, write_facts, write_headline, write_run

TEMPLATE = "report.html.jinja"
MAX_SAMPLE_CHARS = 240
MAIN_TABLES = (make_recall_table, make_overlap_table, make_forgetting_table, make_cost_table)
PHONE_INCHES = 4.8  # narrow plots, whose text stays readable on a narrow screen


@dataclass(frozen=True, slots=True)
class Sample:
    """A change as it is shown: cleaned and shortened, not yet escaped; the template does that."""

    label: str
    series: int
    document: str
    kind: str
    question: str
    expected: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class SampleList:
    name: str
    is_lost: bool
    total: int
    shown: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class RunSettings:
    name: str
    series: int
    summary: str
    settings: str


def render_page(contents: Contents) -> str:
    """The whole page, escaped by jinja2; only the plots, which are ours, go in as markup."""
    comparison, notes = contents.comparison, contents.notes
    return _load_template().render(
        title=clean_line(contents.title),
        headline=clean_line(write_headline(comparison)).replace(" %", "\N{NO-BREAK SPACE}%"),
        facts=clean_line(write_facts(comparison)),
        headline_table=make_headline_table(comparison),
        tables=[make(comparison) for make in MAIN_TABLES],
        reading=READING,
        panels=_draw_panels(comparison),
        bars=_draw_bars(comparison),
        sections=contents.sections(),
        plots={"curves": _draw_curves(contents), "streams": _draw_streams(comparison)},
        samples=_list_samples(comparison),
        generator=clean_line(notes.generator) if notes else "",
        num_note_tokens=f"{notes.tokens:,}" if notes else "",
        notes_tables=make_notes_tables(notes) if notes else (),
        runs=[_show_settings(run, i) for i, method in enumerate(comparison.methods) for run in method.runs],
        wrap_series=wrap_series,
        clean=clean_line,
    )


def _load_template() -> Template:
    text = files("train.report").joinpath(TEMPLATE).read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(text)


def _draw_panels(comparison: Comparison) -> list[Markup]:
    descriptions = (
        "Known answers kept against held-out recall, one point per run. " + write_headline(comparison),
        "Change of loss on general text against held-out recall, one point per run.",
    )
    return [
        inline_svg(render_svg(draw_panel(comparison, panel), "none"), f"panel-{i}", clean_line(description))
        for i, (panel, description) in enumerate(zip(PANELS, descriptions, strict=True))
    ]


def _draw_bars(comparison: Comparison) -> Markup:
    description = "Exact match by phrasing, one bar per method; the table of recall holds the figures."
    return inline_svg(render_svg(draw_recall_by_phrasing(comparison, PHONE_INCHES), "none"), "bars", description)


def _draw_curves(contents: Contents) -> Markup | None:
    if not contents.matched:
        return None
    description = "Known answers kept and change of loss as held-out recall rose; the tables below hold the figures."
    figure = draw_matched_learning(contents.matched, (PHONE_INCHES, 7.2))
    return inline_svg(render_svg(figure, "none"), "curves", description)


def _draw_streams(comparison: Comparison) -> Markup | None:
    if not list_streams(comparison):
        return None
    description = "Recall of each group's questions after training on each group; the tables below hold the figures."
    return inline_svg(render_svg(draw_streams(comparison, PHONE_INCHES), "none"), "streams", description)


def _list_samples(comparison: Comparison) -> tuple[SampleList, SampleList]:
    series = {method.label: i for i, method in enumerate(comparison.methods)}
    learned = [change for run in comparison.runs for change in run.learned]
    lost = [change for run in comparison.runs for change in run.lost]
    return (
        SampleList("Questions learned", False, len(learned), _show_changes(learned, series)),
        SampleList("Known questions lost", True, len(lost), _show_changes(lost, series)),
    )


def _show_changes(changes: Sequence[Change], series: dict[str, int]) -> tuple[Sample, ...]:
    return tuple(_show_change(change, series[change.label]) for change in choose_samples(changes))


def _show_change(change: Change, series: int) -> Sample:
    return Sample(
        label=clean_line(change.label),
        series=series,
        document=clean_line(change.document),
        kind=change.kind.replace("_", "-"),
        question=clip_start(change.prompt, MAX_SAMPLE_CHARS),
        expected=clip_end(" / ".join(change.expected), MAX_SAMPLE_CHARS),
        before=clip_end(change.before, MAX_SAMPLE_CHARS),
        after=clip_end(change.after, MAX_SAMPLE_CHARS),
    )


def _show_settings(run: RunComparison, series: int) -> RunSettings:
    settings = json.dumps(run.result.settings, indent=2, sort_keys=True)
    return RunSettings(clean_line(run.result.run), series, write_run(run), settings)
