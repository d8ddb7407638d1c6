"""Intervals and tests of differences: against exact figures, brute force and what independent draws would show."""

from dataclasses import replace
from itertools import product
from math import comb

import numpy as np
import pytest

from tests.train.report.runs import BASE, LORA, MEMORY, RUNS, make_answer, make_run
from train.report.bootstrap import bootstrap_difference
from train.report.compare import compare_runs
from train.report.differences import list_differences, make_differences_table, make_transitions_table
from train.report.intervals import mcnemar_exact
from train.report.results import General, Recall, RunResult, Text
from train.report.tables import make_overlap_table


@pytest.mark.parametrize(
    ("lost", "gained", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 0.0625), (0, 6, 0.03125), (10, 10, 1.0), (8, 2, 0.109375), (1, 9, 0.021484375)],
)
def test_mcnemar_is_the_exact_binomial_test(lost: int, gained: int, p: float) -> None:
    assert mcnemar_exact(lost, gained) == pytest.approx(p)


def test_mcnemar_sums_all_outcomes_that_are_no_likelier() -> None:
    for lost, gained in product(range(8), range(8)):
        n = lost + gained
        chances = [comb(n, i) / 2**n for i in range(n + 1)]
        assert mcnemar_exact(lost, gained) == pytest.approx(sum(c for c in chances if c <= chances[lost] + 1e-12))


def test_the_bootstrap_has_the_standard_error_of_a_paired_difference() -> None:
    """For a mean of many differences the interval is close to 1.96 standard errors to each side."""
    draw = np.random.default_rng(3)
    ours, theirs = (draw.random(400) < 0.6).astype(float), (draw.random(400) < 0.5).astype(float)
    found = bootstrap_difference(ours[None], theirs[None], np.ones(400))
    assert found is not None and found.n == found.num_groups == 400
    error = 1.96 * (ours - theirs).std() / 20
    assert found.mean == pytest.approx((ours - theirs).mean())
    assert (found.mean - found.low, found.high - found.mean) == pytest.approx((error, error), rel=0.12)
    assert found.is_clear == (found.low > 0)


def test_pairing_makes_equal_answers_cancel() -> None:
    """Two methods that answer alike, question by question, differ by nothing at all, however hard the questions are."""
    answers = (np.arange(40) % 2).astype(float)[None]
    found = bootstrap_difference(answers, answers, np.ones(40))
    assert found is not None and (found.mean, found.low, found.high, found.is_clear) == (0, 0, 0, False)


def test_seeds_that_disagree_widen_the_interval() -> None:
    theirs = np.zeros((1, 50))
    one = bootstrap_difference(np.full((1, 50), 0.5), theirs, np.ones(50))
    three = bootstrap_difference(np.repeat([[0.0], [0.5], [1.0]], 50, axis=1), theirs, np.ones(50))
    assert one is not None and three is not None and one.mean == three.mean == 0.5
    assert (one.low, one.high) == (0.5, 0.5) and three.low < 0.2 and three.high > 0.8


def test_phrasings_of_one_fact_are_drawn_together() -> None:
    """Two phrasings that always agree are no more evidence than one."""
    draw = np.random.default_rng(5)
    right = (draw.random(30) < 0.5).astype(float)[None]
    single = bootstrap_difference(right, np.zeros((1, 30)), np.ones(30))
    double = bootstrap_difference(2 * right, np.zeros((1, 30)), np.full(30, 2.0))
    assert single is not None and double is not None
    assert (double.low, double.high, double.n) == (single.low, single.high, 60)
    assert bootstrap_difference(np.zeros((1, 0)), np.zeros((1, 0)), np.zeros(0)) is None


def test_all_methods_and_the_base_are_paired() -> None:
    pairs = list_differences(compare_runs(RUNS))
    assert [(pair.first, pair.second) for pair in pairs] == [("lora", "memory"), ("lora", "base"), ("memory", "base")]
    held_out = pairs[0].differences["held_out"]
    assert held_out is not None and (held_out.mean, held_out.n, held_out.is_clear) == (0.25, 4, False)
    kept = pairs[0].differences["kept"]
    assert kept is not None and (kept.mean, kept.n, kept.is_clear) == (-1.0, 2, True)
    assert pairs[1].differences["kept"] is None and pairs[1].differences["nll"] is None  # trivial; not recorded


def test_many_methods_are_compared_to_the_base_and_the_best_alone() -> None:
    runs = [BASE, LORA, *(make_run(f"m{i}", f"m{i}", right="h0") for i in range(5))]
    pairs = list_differences(compare_runs(runs))
    assert len(pairs) == 5 + 6 and all(pair.first == "lora" or pair.second == "base" for pair in pairs)


def test_the_loss_is_compared_text_by_text() -> None:
    texts = tuple(Text(20.0 + i, 10) for i in range(5))
    worse = tuple(Text(text.nll + 1, 10) for text in texts)
    base = replace(BASE, general=General(2.2, 9.0, 50, texts=texts))
    memory = replace(MEMORY, general=General(2.3, 10.0, 50, texts=worse))
    (pair,) = list_differences(compare_runs([base, memory]))
    found = pair.differences["nll"]
    assert found is not None and found.mean == pytest.approx(0.1) and found.is_clear and found.num_groups == 5


def with_choices(run: RunResult, *losses: float) -> RunResult:
    chosen = tuple(replace(make_answer(f"h{i}", False), kind="choice", nll=loss) for i, loss in enumerate(losses))
    return replace(run, answers=(*run.answers, *chosen), learning=run.learning | {"choice": Recall(0, 0, len(losses))})


def test_right_answers_are_compared_by_their_loss_where_none_is_written() -> None:
    comparison = compare_runs([with_choices(BASE, 9.0, 7.0), with_choices(LORA, 6.0, 5.0)])
    found = list_differences(comparison)[0].differences["answer_nll"]
    assert found is not None and (found.mean, found.low, found.high) == (-2.5, -3.0, -2.0)
    column = [column.line for column in make_overlap_table(comparison).columns].index(
        "Right answer's NLL (nats an answer, n = 2)"
    )
    assert [row.cells[column].text for row in make_overlap_table(comparison).rows] == ["8.00", "5.50"]


def test_runs_without_the_loss_of_right_answers_have_no_column_of_it() -> None:
    comparison = compare_runs([BASE, LORA])
    assert list_differences(comparison)[0].differences["answer_nll"] is None
    assert len(make_overlap_table(comparison).columns) == 3


def test_differences_within_their_interval_are_faint() -> None:
    comparison = compare_runs(RUNS)
    table = make_differences_table(list_differences(comparison))
    row = next(row for row in table.rows if row.name == "lora − memory")
    cells = {column.name: cell for column, cell in zip(table.columns, row.cells, strict=True)}
    assert cells["Held-out recall"].faint and cells["Held-out recall"].text == "+25"
    assert not cells["Known kept"].faint and cells["Known kept"].line == "−100 [−100, −100]"
    assert "General loss" not in cells


def test_transitions_are_listed_by_run_with_their_p_value() -> None:
    seeds = [*RUNS, make_run("lora-1", "lora", right="h0 k0 k1", seed=1)]
    table = make_transitions_table(compare_runs(seeds))
    rows = {row.name: [cell.text for cell in row.cells] for row in table.rows}
    assert rows == {"lora": ["2", "2", "1"], "lora-1": ["0", "0", "1"], "memory": ["0", "1", "1"]}
    assert LORA.run in rows
