"""What the report says of facts that no note tells, and of questions that stand in the notes."""

import json
from pathlib import Path

from tests.train.report.runs import HOSTILE, NOTES, RUNS, Page
from train.report import FactPlaces, Material, write_report
from train.report.compare import compare_runs
from train.report.material import describe_leaks, make_coverage_table, make_leakage_table, make_untold_table

FACTS = (
    FactPlaces("h0", "0.md", "Question h0?", "yes", 2, 3, 1),
    FactPlaces("h1", "1.md", "Question h1?", HOSTILE, 1, 0, 4),
    FactPlaces("h2", "1.md", "Question h2?", "no", 0, 0, 0),
)
MATERIAL = Material(FACTS, frozenset({"Question h0?", "Question k0?"}))


def test_coverage_is_counted_by_document() -> None:
    table = make_coverage_table(MATERIAL)
    assert table is not None
    rows = {row.name: [cell.text for cell in row.cells] for row in table.rows}
    assert rows == {"0.md": ["1", "1", "1", "0"], "1.md": ["2", "1", "0", "2"], "Together": ["3", "2", "1", "2"]}
    untold = make_untold_table(MATERIAL)
    assert untold is not None and [row.name for row in untold.rows] == ["h1", "h2"]
    assert make_coverage_table(Material()) is None and make_untold_table(Material()) is None


def test_figures_with_and_without_leaks() -> None:
    comparison = compare_runs(RUNS)
    table = make_leakage_table(comparison, MATERIAL)
    assert table is not None and [column.note for column in table.columns] == ["n = 4", "n = 3", "n = 2", "n = 1"]
    memory = next(row for row in table.rows if row.name == "memory")
    assert [cell.text for cell in memory.cells] == ["75 %", "67 %", "100 %", "100 %"]
    assert make_leakage_table(comparison, Material(FACTS)) is None
    assert "1 of 4 held-out questions, 0 of 4 reversed questions, 1 of 4 general" in describe_leaks(
        comparison, MATERIAL
    )


def test_all_files_show_it_and_escape_what_is_not_ours(tmp_path: Path) -> None:
    paths = write_report(RUNS, tmp_path, "Test", NOTES, MATERIAL)
    record = json.loads(paths.record.read_text())
    assert record["facts_in_no_kept_note"] == ["h1", "h2"] and record["facts"][0]["num_kept"] == 3
    assert record["leakage"]["held_out"] == {"n": 4, "leaked": 1} and len(record["leakage"]["questions"]) == 2
    page, markdown = paths.html.read_text(), paths.markdown.read_text()
    assert "<script" not in page and "<script" not in markdown and not Page(page).attributes("img")
    assert "Facts whose answer stands in no kept note." in page
    rows = [line for line in markdown.splitlines() if line.startswith("| h1 |")]
    assert len(rows) == 1 and rows[0].count("|") == 6


def test_known_questions_lost_and_gained_are_named(tmp_path: Path) -> None:
    record = json.loads(write_report(RUNS, tmp_path, "Test", NOTES).record.read_text())
    lora = next(run for run in record["runs"] if run["run"] == "lora")
    assert (lora["known_lost"], lora["known_gained"], lora["transition_p"]) == (["k0", "k1"], ["k2", "k3"], 1.0)
    assert {pair["first"] for pair in record["differences"]} == {"lora", "memory"}
