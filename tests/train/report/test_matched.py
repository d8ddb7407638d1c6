"""Forgetting at equal learning: levels that all reach, values between points, fronts and their areas by hand."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from augment.errors import DatasetError
from tests.train.report.runs import BASE, LORA, MEMORY, NOTES
from train.report import write_report
from train.report.compare import compare_runs
from train.report.fronts import find_front, measure_area, reach
from train.report.matched import describe_limits, make_matched_tables, match_learning
from train.report.matched_draws import draw_figures, draw_weights, find_intervals, parts_of
from train.report.read import read_curve
from train.report.results import CurvePoint, General, Parts, RunResult, Text


def watch(run: RunResult, *points: tuple[float, float, float]) -> RunResult:
    """The run with a curve of (recall, kept, NLL)."""
    return replace(run, curve=tuple(CurvePoint(10 * i, *point) for i, point in enumerate(points, 1)))


# The finished runs: memory recalls .75, keeps 1 at NLL 2.1; lora recalls 1, keeps 0 at NLL 2.6; the base's NLL is 2.
WATCHED_MEMORY = watch(MEMORY, (0.25, 1.0, 2.0), (0.5, 0.9, 2.05))
WATCHED_LORA = watch(LORA, (0.5, 0.5, 2.2), (0.4, 0.4, 2.4), (1.0, 0.0, 2.6))


def test_methods_are_read_at_recall_levels_that_all_reach() -> None:
    matched = match_learning(compare_runs([BASE, WATCHED_MEMORY, WATCHED_LORA]))
    assert matched is not None and matched.levels == (0.1875, 0.375, 0.5625, 0.75)
    lora, memory = matched.methods
    assert [spread.mean for spread in memory.kept] == pytest.approx([1.0, 0.95, 0.925, 1.0])
    # Lora is at 0 and 1 at the start, at .5 and .5 after its first point: at .375 it keeps 1 - .75 * .5.
    assert [spread.mean for spread in lora.kept[:2]] == pytest.approx([0.8125, 0.625])
    # It first passes .5625 on the way from (.4, .4) to (1, 0).
    share = (0.5625 - 0.4) / 0.6
    assert lora.kept[2].mean == pytest.approx(0.4 * (1 - share))
    assert lora.nll_change[2].mean == pytest.approx((2.4 + share * 0.2) / 2 - 1)
    assert lora.paths[0][-1] == lora.paths[0][3], "the last point is the finished run, and stands there once"
    assert matched.unwatched == ()


def test_the_front_keeps_what_nothing_beats_and_its_area_is_that_of_the_steps() -> None:
    points = [CurvePoint(i, r, k, 2.0) for i, (r, k) in enumerate([(0, 1), (0.5, 0.8), (0.4, 0.7), (0.9, 0.3)])]
    front = find_front(points)
    assert [(p.recall, p.kept) for p in front] == [(0, 1), (0.5, 0.8), (0.9, 0.3)]
    assert measure_area(front) == pytest.approx(0.5 * 0.8 + 0.4 * 0.3)
    assert measure_area(find_front([CurvePoint(0, 1.0, 1.0, 2.0)])) == 1.0


def test_a_level_is_reached_at_the_first_crossing() -> None:
    path = [CurvePoint(i, r, k, 2.0) for i, (r, k) in enumerate([(0, 1.0), (0.6, 0.4), (0.2, 0.2), (0.8, 0.1)])]
    assert reach(path, 0.3).kept == pytest.approx(0.7)
    assert reach(path, 0.6).kept == pytest.approx(0.4)


def test_runs_without_a_curve_are_named_and_none_at_all_is_nothing() -> None:
    assert match_learning(compare_runs([BASE, MEMORY, LORA])) is None
    matched = match_learning(compare_runs([BASE, WATCHED_MEMORY, LORA]))
    assert matched is not None and [method.label for method in matched.methods] == ["memory"]
    assert "lora" in describe_limits(matched)


def test_a_run_that_learned_nothing_leaves_no_level() -> None:
    nothing = replace(watch(LORA, (0.0, 0.5, 2.2)), learning=BASE.learning)
    matched = match_learning(compare_runs([BASE, WATCHED_MEMORY, nothing]))
    assert matched is not None and matched.levels == () and "no level" in describe_limits(matched)


def test_the_report_shows_it_in_all_its_files(tmp_path: Path) -> None:
    paths = write_report([BASE, WATCHED_MEMORY, WATCHED_LORA], tmp_path, "Test", NOTES)
    record = json.loads(paths.record.read_text())["matched_learning"]
    assert record["levels"][-1] == 0.75 and [m["label"] for m in record["methods"]] == ["lora", "memory"]
    assert paths.matched_png is not None and paths.matched_png.read_bytes().startswith(b"\x89PNG")
    markdown, page = paths.markdown.read_text(), paths.html.read_text()
    assert "matched_learning.png" in markdown and "Forgetting at equal learning" in page
    row = next(line for line in markdown.splitlines() if line.startswith("| memory | 100 % [34, 100] | 95 %"))
    assert row.endswith(f"| {record['methods'][1]['area']:.2f} |")


def test_a_curve_is_read_and_points_of_other_questions_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "curve.jsonl"
    point = {"step": 1, "recall": {"held_out": 0.5}, "kept": 0.9, "nll": 2.0}
    path.write_text("\n".join(json.dumps(p) for p in [point, point | {"exam": "a"}, point | {"exam": "b", "step": 3}]))
    assert [p.step for p in read_curve(path, "b")] == [1, 3]
    assert read_curve(tmp_path / "none.jsonl", "b") == ()
    path.write_text(json.dumps(point | {"kept": 2}))
    with pytest.raises(DatasetError, match="line 1: kept' must be a share"):
        read_curve(path, "b")
    path.write_text("{")
    with pytest.raises(DatasetError, match=r"curve.jsonl:1 is not JSON"):
        read_curve(path, "b")


def with_texts(run: RunResult, nll: float) -> RunResult:
    texts = tuple(Text(nll * size, size) for size in (20, 30))
    return replace(run, general=General(nll, nll**2, 50, None, texts))


def drawn_path(parts: Sequence[Parts], facts: NDArray[Any], known: NDArray[Any]) -> list[CurvePoint]:
    """Points from these drawn held-out and known questions."""
    return [
        CurvePoint(i, float(np.mean([p.held_out[f] for f in facts])), float(np.mean([p.known[k] for k in known])), 2)
        for i, p in enumerate(parts)
    ]


def kept_at(level: float, path: list[CurvePoint]) -> float:
    return reach(path, min(level, max(point.recall for point in path))).kept


def test_intervals_are_those_of_drawing_facts_questions_and_texts_anew() -> None:
    """Against a loop that measures the whole path again on drawn questions."""
    base, run = with_texts(BASE, 2.0), with_texts(MEMORY, 2.2)
    middle = Parts((1, 0, 0, 0), (1, 0, 0, 0), (42.0, 63.0))
    run = replace(run, curve=(CurvePoint(5, 0.25, 0.5, 2.1, middle),))
    comparison = compare_runs([base, run])
    figures = draw_figures(comparison.methods[1], 1, [0.5], base, draw_weights(base))
    assert figures is not None
    found = find_intervals(figures)
    draw, kept, areas = np.random.default_rng(5), list[float](), list[float]()
    parts = [parts_of(base), middle, parts_of(run)]
    for _ in range(2000):
        facts, known = draw.integers(0, 4, 4), draw.integers(0, 2, 2)  # k0 and k1 are what the base knows
        path = drawn_path(parts, facts, known)
        kept.append(kept_at(0.5, path))
        areas.append(measure_area(find_front(path)))
    for bounds, values in ((found.kept[0], kept), (found.area, areas)):
        assert bounds == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=0.13)
    low, high = found.nll_change[0]
    assert 0.0 <= low <= high <= 0.1 + 1e-9


def test_tables_have_those_intervals_and_a_curve_without_answers_has_none() -> None:
    base, run = with_texts(BASE, 2.0), with_texts(MEMORY, 2.2)
    whole = replace(run, curve=(CurvePoint(5, 0.25, 0.5, 2.1, Parts((1, 0, 0, 0), (1, 0, 0, 0), (42.0, 63.0))),))
    for watched, has in ((whole, True), (watch(run, (0.25, 0.5, 2.1)), False)):
        comparison = compare_runs([base, watched])
        matched = match_learning(comparison)
        assert matched is not None and (matched.methods[0].intervals is not None) is has
        kept, change = make_matched_tables(matched, comparison)  # no third table: one method has no pair
        assert all(cell.interval for cell in kept.rows[0].cells[:-1])
        assert bool(kept.rows[0].cells[-1].interval) is has and bool(change.rows[0].cells[0].interval) is has
        assert all("n = " in column.note for column in (*kept.columns, *change.columns))


def test_the_answers_of_a_point_are_read(tmp_path: Path) -> None:
    point = {"step": 1, "recall": {"held_out": 0.5}, "kept": 0.9, "nll": 2.0}
    point |= {"parts": {"held_out": "10", "known": "110", "texts": [1.5]}}
    (tmp_path / "curve.jsonl").write_text(json.dumps(point))
    (found,) = read_curve(tmp_path / "curve.jsonl", None)
    assert found.parts == Parts((1, 0), (1, 1, 0), (1.5,)) and found.parts.sizes == [2, 3, 1]


def many(right: str, known: str) -> Parts:
    return Parts(tuple(map(int, right)), tuple(map(int, known)), (0.0, 0.0))


def test_differences_at_equal_learning_pair_the_questions_and_draw_the_runs_apart() -> None:
    """Two runs each of two methods: what one keeps more, its interval by a loop over drawn questions and runs."""
    base = with_texts(BASE, 2.0)
    curves = {
        "memory": [("1100", "1100"), ("1100", "1000")],
        "lora": [("1100", "0000"), ("1110", "0100")],
    }
    runs = [
        replace(
            with_texts(MEMORY, 2.0),
            run=f"{method}-{seed}",
            method=method,
            seed=seed,
            curve=(CurvePoint(5, parts[0].count("1") / 4, parts[1].count("1") / 2, 2.0, many(*parts)),),
        )
        for method, points in curves.items()
        for seed, parts in enumerate(points)
    ]
    matched = match_learning(compare_runs([base, *runs]))
    assert matched is not None
    (pair,) = matched.differences
    draw, differences, level = np.random.default_rng(3), list[float](), matched.levels[-1]
    paths = {m: [[parts_of(base), many(*p), parts_of(runs[0])] for p in points] for m, points in curves.items()}
    for _ in range(2000):
        facts, known = draw.integers(0, 4, 4), draw.integers(0, 2, 2)
        means = [
            np.mean([kept_at(level, drawn_path(paths[m][r], facts, known)) for r in draw.integers(0, 2, 2)])
            for m in (pair.first, pair.second)
        ]
        differences.append(float(means[0] - means[1]))
    found = pair.kept[-1]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(differences, [0.025, 0.975])), abs=0.13)
    mean = {m: np.mean([kept_at(level, drawn_path(p, np.arange(4), np.arange(2))) for p in paths[m]]) for m in curves}
    assert found.mean == pytest.approx(mean[pair.first] - mean[pair.second]) and found.n == 2


def test_a_line_from_the_base_is_said_to_be_one(tmp_path: Path) -> None:
    matched = match_learning(compare_runs([BASE, watch(MEMORY, (0.5, 0.9, 2.05)), watch(LORA, (0.9, 0.5, 2.2))]))
    assert matched is not None and "straight line from the base model even at 75 %" in describe_limits(matched)
    assert "lora (1 of 1 runs)" in describe_limits(matched) and "memory (" not in describe_limits(matched)
