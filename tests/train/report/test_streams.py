"""A stream's figures are those of their definitions, question by question, and the report shows them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.train.report.runs import BASE, LORA, MEMORY, NOTES, Page
from train.report import write_report
from train.report.compare import compare_runs
from train.report.plots import render_svg
from train.report.read import read_stream
from train.report.results import Stream
from train.report.streams import draw_streams, make_stream_tables, matrix_of, measure, measure_stream

STREAM = Stream(
    groups=(("a.md",), ("b.md",), ("c.md",)),
    before=((0, 0, 0, 0), (1, 0), (0, 0)),
    after=(((1, 1, 1, 0), (1, 0), (0, 1)), ((1, 1, 0, 0), (1, 1), (0, 1)), ((1, 0, 0, 0), (0, 1), (1, 1))),
)


def by_hand(r: list[list[float]], start: list[float]) -> dict[str, float]:
    """Lopez-Paz & Ranzato's formulas and Chaudhry's forgetting, in loops."""
    last = len(r) - 1
    return {
        "accuracy": sum(r[last]) / len(r),
        "backward": sum(r[last][i] - r[i][i] for i in range(last)) / last,
        "forward": sum(r[i - 1][i] - start[i] for i in range(1, len(r))) / last,
        "forgetting": sum(max(r[k][j] for k in range(j, last + 1)) - r[last][j] for j in range(last)) / last,
    }


def test_the_four_figures_follow_their_definitions() -> None:
    for seed in range(5):
        matrix = np.random.default_rng(seed).random((5, 4))
        wanted = by_hand(matrix[1:].tolist(), matrix[0].tolist())
        assert {name: float(value) for name, value in measure(matrix).items()} == pytest.approx(wanted)


def test_figures_come_from_the_answers_with_intervals_around_them() -> None:
    assert matrix_of(STREAM)[1].tolist() == [0.75, 0.5, 0.5]
    found = measure_stream(STREAM)
    assert found["accuracy"] and found["accuracy"].mean == pytest.approx((0.25 + 0.5 + 1) / 3)
    assert found["backward"] and found["backward"].mean == pytest.approx((-0.5 - 0.5) / 2)
    assert found["forward"] and found["forward"].mean == pytest.approx((0 + 0.5) / 2)
    assert all(figure and figure.low <= figure.mean <= figure.high for figure in found.values())


def test_intervals_are_those_of_drawing_questions_anew() -> None:
    """Against a plain loop over draws: within each group, the same questions for every row."""
    draw, accuracies = np.random.default_rng(7), []
    last = [np.array(answers) for answers in STREAM.after[-1]]
    for _ in range(4000):
        accuracies.append(np.mean([answers[draw.integers(0, len(answers), len(answers))].mean() for answers in last]))
    low, high = np.quantile(accuracies, [0.025, 0.975])
    found = measure_stream(STREAM)["accuracy"]
    assert found and (found.low, found.high) == pytest.approx((low, high), abs=0.05)


def test_rows_after_which_nothing_was_asked_are_left_out() -> None:
    found = measure_stream(replace(STREAM, after=(STREAM.after[0], None, STREAM.after[2])))
    assert found["accuracy"] == measure_stream(STREAM)["accuracy"]
    assert found["backward"] and found["backward"].mean == found["forgetting"].mean * -1 == -0.5  # of group 1 alone
    assert found["forward"] and found["forward"].mean == pytest.approx(0.5 - 0.5)  # of group 2 alone
    (_, matrix) = make_stream_tables(
        compare_runs([BASE, replace(MEMORY, stream=replace(STREAM, after=(None, None, STREAM.after[2])))])
    )
    assert [row.name for row in matrix.rows] == ["before", "after group 3"]


def test_a_group_without_questions_and_a_single_group_leave_figures_out() -> None:
    empty = Stream((("a",), ("b",)), ((0, 1), ()), (((1, 1), ()), ((1, 0), ())))
    found = measure_stream(empty)
    assert found["accuracy"] and found["accuracy"].mean == 0.5 and found["forward"] is None
    single = measure_stream(Stream((("a",),), ((0,),), (((1,),),)))
    assert single["accuracy"] and single["backward"] is single["forward"] is single["forgetting"] is None


def test_a_file_without_answers_or_of_an_unfinished_run_is_no_stream(tmp_path: Path) -> None:
    path = tmp_path / "stream.json"
    rows = [{"recall": [0.5], "right": [[1, 0]]}, {"recall": [1.0], "right": [[1, 1]]}]
    path.write_text(json.dumps({"groups": [["a"]], "before": rows[0], "after": rows[1:]}))
    assert read_stream(path) == Stream((("a",),), ((1, 0),), (((1, 1),),))
    path.write_text(json.dumps({"groups": [["a"], ["b"]], "before": rows[0], "after": rows[1:]}))
    assert read_stream(path) is None
    path.write_text(json.dumps({"groups": [["a"]], "before": {"recall": [0.5]}, "after": [{"recall": [1]}]}))
    assert read_stream(path) is None and read_stream(tmp_path / "none.json") is None


def test_the_report_shows_matrix_figures_and_heat_map(tmp_path: Path) -> None:
    runs = [BASE, replace(MEMORY, stream=STREAM), LORA]
    paths = write_report(runs, tmp_path, "Test", NOTES)
    assert paths.stream_png and paths.stream_svg and paths.stream_png.is_file() and paths.stream_svg.is_file()
    figures, matrix = make_stream_tables(compare_runs(runs))
    assert figures.rows[0].cells[1].text == "\N{MINUS SIGN}50" and matrix.rows[0].name == "before"
    record = json.loads(paths.record.read_text())
    stream = next(run["stream"] for run in record["runs"] if run["run"] == "memory")
    assert stream["recall"][3] == [0.25, 0.5, 1.0] and stream["num_questions"] == [4, 2, 2]
    page, markdown = paths.html.read_text(), paths.markdown.read_text()
    assert "Backward transfer" in page and "stream_recall.png" in markdown
    assert sum(svg.get("role") == "img" for svg in Page(page).attributes("svg")) == 4
    write_report([BASE, LORA], tmp_path, "Test", NOTES)
    assert not paths.stream_png.exists() and not paths.stream_svg.exists()


def test_every_cell_of_the_heat_map_has_its_figure() -> None:
    svg = render_svg(draw_streams(compare_runs([BASE, replace(MEMORY, stream=STREAM)])), "none")
    assert svg.count(">50</text>") == 6 and ">Asked about group</text>" in svg
