"""What a report holds, worked out once: the comparison, and the sections that Markdown and page show alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from train.report.cells import Table
from train.report.compare import Comparison, compare_runs
from train.report.differences import (
    Pair,
    list_differences,
    make_differences_table,
    make_transitions_table,
)
from train.report.matched import MatchedLearning, describe_limits, make_matched_tables, match_learning
from train.report.material import describe_leaks, make_coverage_table, make_leakage_table, make_untold_table
from train.report.results import Material, NoteCounts, RunResult
from train.report.streams import make_stream_tables
from train.report.tables import make_fluency_table, make_judge_table, make_task_table
from train.report.wording import CAUSE, CERTAINTY, FLUENCY, JUDGE, MATCHED, STREAMS


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with paragraphs and tables below it, and a plot between them where one belongs."""

    name: str
    paragraphs: tuple[str, ...]
    tables: tuple[Table, ...]
    plot: Literal["", "curves", "streams"] = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything that the files of a report are made from."""

    title: str
    comparison: Comparison
    notes: NoteCounts | None
    material: Material
    pairs: tuple[Pair, ...]
    matched: MatchedLearning | None

    def sections(self) -> list[Section]:
        """Those that have something to show, between the main tables and the samples."""
        sections = [self._show_certainty(), self._show_matched(), self._show_streams(), self._show_judge()]
        sections += [self._show_writing(), self._show_cause()]
        return [section for section in sections if section.tables]

    def _show_certainty(self) -> Section:
        if not self.pairs:
            return Section("Certainty", (), ())
        tables = (make_differences_table(self.pairs), make_transitions_table(self.comparison))
        return Section("Certainty", CERTAINTY, tables)

    def _show_matched(self) -> Section:
        if not self.matched:
            return Section("Forgetting at equal learning", (), ())
        said = describe_limits(self.matched)
        tables = make_matched_tables(self.matched, self.comparison)
        return Section("Forgetting at equal learning", (*MATCHED, *([said] if said else [])), tables, plot="curves")

    def _show_streams(self) -> Section:
        return Section("Streams", STREAMS, make_stream_tables(self.comparison), plot="streams")

    def _show_judge(self) -> Section:
        return Section("A judge's view", JUDGE, _drop_none([make_judge_table(self.comparison)]))

    def _show_writing(self) -> Section:
        tables = make_fluency_table(self.comparison), make_task_table(self.comparison)
        return Section("Writing and other tasks", FLUENCY, _drop_none(tables))

    def _show_cause(self) -> Section:
        tables = (
            make_coverage_table(self.material),
            make_untold_table(self.material),
            make_leakage_table(self.comparison, self.material),
        )
        return Section(
            "Facts in the notes", (*CAUSE, describe_leaks(self.comparison, self.material)), _drop_none(tables)
        )


def _drop_none(tables: Sequence[Table | None]) -> tuple[Table, ...]:
    return tuple(table for table in tables if table is not None)


def gather_contents(runs: Sequence[RunResult], title: str, notes: NoteCounts | None, material: Material) -> Contents:
    """Compare the runs; raises DatasetError when that would not be fair."""
    comparison = compare_runs(runs)
    return Contents(
        title=title,
        comparison=comparison,
        notes=notes,
        material=material,
        pairs=tuple(list_differences(comparison)),
        matched=match_learning(comparison),
    )
