"""Turns a comparison into `report.md`: the report for a terminal, a pull request or a model card."""

from collections.abc import Sequence

from augment.escape import clip_end, clip_start, escape_markdown
from train.report.cells import Cell, Table
from train.report.compare import Change
from train.report.contents import Contents, Section
from train.report.results import NoteCounts
from train.report.samples import choose_samples
from train.report.tables import (
    make_cost_table,
    make_forgetting_table,
    make_headline_table,
    make_notes_tables,
    make_overlap_table,
    make_recall_table,
)
from train.report.wording import READING, write_facts, write_headline

MAX_SAMPLE_CHARS = 240
PLOTS = {
    "": [],
    "curves": ["![Forgetting at equal learning](matched_learning.png)"],
    "streams": ["![Recall along the stream](stream_recall.png)"],
}


def render_markdown(contents: Contents) -> str:
    """The whole page; every text that is not ours is escaped on its way in."""
    comparison, notes = contents.comparison, contents.notes
    learned = [change for run in comparison.runs for change in run.learned]
    lost = [change for run in comparison.runs for change in run.lost]
    parts = [
        f"# {escape_markdown(contents.title)}",
        f"**{escape_markdown(write_headline(comparison))}**",
        escape_markdown(write_facts(comparison)),
        _render_table(make_headline_table(comparison)),
        "![Learning versus forgetting](learning_versus_forgetting.png)",
        "## Each method",
        _render_table(make_recall_table(comparison)),
        _render_table(make_overlap_table(comparison)),
        _render_table(make_forgetting_table(comparison)),
        _render_table(make_cost_table(comparison)),
        "![Recall by phrasing](recall_by_phrasing.png)",
        *(escape_markdown(paragraph) for paragraph in READING),
        *(part for section in contents.sections() for part in _render_section(section)),
        "## Answers before and after",
        _render_samples("Questions learned", learned),
        _render_samples("Known questions lost", lost),
        *(_render_notes(notes) if notes else []),
    ]
    return "\n\n".join(parts) + "\n"


def _render_notes(notes: NoteCounts) -> list[str]:
    written = escape_markdown(f"Written by {notes.generator}; {notes.tokens:,} tokens in the notes kept.")
    return ["## Notes", written, *map(_render_table, make_notes_tables(notes))]


def _render_section(section: Section) -> list[str]:
    paragraphs = [escape_markdown(paragraph) for paragraph in section.paragraphs]
    return [f"## {section.name}", *paragraphs, *PLOTS[section.plot], *map(_render_table, section.tables)]


def _render_table(table: Table) -> str:
    header = _render_row([table.corner, *(column.line for column in table.columns)])
    rule = "|---|" + "--:|" * len(table.columns)
    rows = [_render_row([row.name], [_render_cell(cell) for cell in row.cells]) for row in table.rows]
    return "\n".join([f"*{escape_markdown(table.caption)}*", "", header, rule, *rows])


def _render_cell(cell: Cell) -> str:
    """A cell's text may be a document's or a model's; its interval is ours."""
    text = escape_markdown(cell.text)
    marked = f"**{text}**" if cell.best else f"*{text}*" if cell.faint else text
    return f"{marked} {cell.interval}".strip()


def _render_row(texts: Sequence[str], ready: Sequence[str] = ()) -> str:
    """Texts are escaped here; `ready` cells are escaped already."""
    return "| " + " | ".join([*(escape_markdown(text) for text in texts), *ready]) + " |"


def _render_samples(name: str, changes: Sequence[Change]) -> str:
    chosen = choose_samples(changes)
    if not chosen:
        return f"*{name}: none.*"
    header = ["Method", "Document", "Phrasing", "Question", "Expected", "Before", "After"]
    rows = [_render_row(_list_sample(change)) for change in chosen]
    caption = f"*{name}: {len(chosen)} of {len(changes)}, spread over documents and methods.*"
    return "\n".join([caption, "", _render_row(header), "|---" * len(header) + "|", *rows])


def _list_sample(change: Change) -> list[str]:
    question = clip_start(change.prompt, MAX_SAMPLE_CHARS)
    answers = [" / ".join(change.expected), change.before, change.after]
    clipped = [clip_end(text, MAX_SAMPLE_CHARS) for text in answers]
    return [change.label, change.document, change.kind.replace("_", "-"), question, *clipped]
