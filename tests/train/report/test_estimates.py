"""Intervals and tests agree with scipy's, which others use."""

from dataclasses import replace

import numpy as np
import pytest

from tests.train.report.runs import BASE, MEMORY, RUNS, make_run
from train.report.compare import compare_runs
from train.report.estimates import estimate, estimate_change, share_interval
from train.report.intervals import mcnemar_exact, wilson_interval
from train.report.results import General, RunResult, Text
from train.report.sums import leave_out, read_f1, read_gained, read_kept, read_kind, read_loss, read_lost
from train.report.tables import make_forgetting_table

stats = pytest.importorskip("scipy.stats")


@pytest.mark.parametrize(("right", "n"), [(0, 7), (7, 7), (3, 11), (81, 263), (1, 1)])
def test_wilsons_interval_is_scipys(right: int, n: int) -> None:
    wanted = stats.binomtest(right, n).proportion_ci(0.95, method="wilson")
    assert wilson_interval(right / n, n) == pytest.approx((wanted.low, wanted.high))


@pytest.mark.parametrize(("lost", "gained"), [(0, 1), (5, 2), (9, 9), (0, 12), (30, 11)])
def test_mcnemars_test_is_scipys_binomial_test(lost: int, gained: int) -> None:
    assert mcnemar_exact(lost, gained) == pytest.approx(stats.binomtest(lost, lost + gained).pvalue)


def with_texts(run: RunResult, nll: np.ndarray) -> RunResult:
    sizes = 10 + np.arange(len(nll)) % 7
    texts = tuple(Text(float(total * size), int(size)) for total, size in zip(nll, sizes, strict=True))
    mean = sum(text.nll for text in texts) / sizes.sum()
    return replace(run, general=General(mean, float(np.exp(mean)), int(sizes.sum()), None, texts))


def test_a_means_interval_is_scipys_percentile_bootstrap() -> None:
    """Texts weigh as many tokens as they have: a ratio of sums, drawn anew together."""
    draw = np.random.default_rng(1)
    base, run = with_texts(BASE, draw.normal(2, 0.4, 80)), with_texts(MEMORY, draw.normal(2.1, 0.4, 80))
    method = compare_runs([base, run]).methods[1]
    found, change = estimate(method, base, read_loss), estimate_change(method, base, read_loss)
    sums, before, sizes = (
        np.array(values, dtype=float)
        for values in zip(
            *((t.nll, b.nll, t.num_tokens) for t, b in zip(run.general.texts, base.general.texts, strict=True)),
            strict=True,
        )
    )
    settings = {"paired": True, "vectorized": False, "n_resamples": 4000, "method": "percentile", "random_state": 2}
    for value, top in ((found, sums), (change, sums - before)):
        wanted = stats.bootstrap((top, sizes), lambda x, n: x.sum() / n.sum(), **settings).confidence_interval
        assert value and (value.low, value.high) == pytest.approx((wanted.low, wanted.high), abs=0.012)
        assert value.mean == pytest.approx(top.sum() / sizes.sum())


def test_phrasings_of_a_fact_are_drawn_together() -> None:
    twice = tuple(replace(answer, prompt=f"{answer.prompt} again") for answer in MEMORY.answers)
    doubled = replace(MEMORY, answers=(*MEMORY.answers, *twice))
    sums = read_kind("held_out")(doubled, BASE)
    assert sums["h0"] == (2, 2) and read_kind("held_out")(MEMORY, BASE)["h0"] == (1, 1)
    assert read_f1("held_out")(MEMORY, BASE)["h3"] == (0, 1) and set(read_kept(MEMORY, BASE)) == {"k0", "k1"}


def test_seeds_widen_an_interval() -> None:
    seeds = [make_run("m0", "memory", "h0 h1 h2 h3 k0", seed=0), make_run("m1", "memory", "k0", seed=1)]
    method = compare_runs([BASE, *seeds]).methods[1]
    found = estimate(method, BASE, read_kind("held_out"))
    assert found and (found.mean, found.low, found.high) == (0.5, 0.0, 1.0)


def test_a_share_of_one_run_has_wilsons_interval_and_seeds_can_only_widen_it() -> None:
    seeds = [make_run(f"m{i}", "memory", "h0 h1 h2 k0 k1", seed=i) for i in (0, 1)]
    one, agreeing = (compare_runs([BASE, *seeds[:number]]).methods[1] for number in (1, 2))
    unlike = compare_runs([BASE, seeds[0], make_run("m1", "memory", "k0", seed=1)]).methods[1]
    wanted = wilson_interval(0.75, 4)
    assert share_interval(one, BASE, read_kind("held_out")) == pytest.approx(wanted)
    low, high = share_interval(agreeing, BASE, read_kind("held_out"))
    assert low <= wanted[0] and high >= wanted[1]
    assert share_interval(agreeing, BASE, read_kept) == pytest.approx(wilson_interval(1.0, 2))
    assert share_interval(unlike, BASE, read_kind("held_out"))[0] == 0.0


def test_lost_and_gained_are_of_what_the_base_knew_and_did_not() -> None:
    run = make_run("m", "memory", "k0 k2")
    known = {answer.id for answer in BASE.answers if answer.kind == "known" and answer.em}
    assert known == {"k0", "k1"}
    assert read_lost(run, BASE) == {"k0": (0, 1), "k1": (1, 1)}
    assert read_gained(run, BASE)["k2"] == (1, 1) and not known & set(read_gained(run, BASE))


def test_prompts_can_be_left_out() -> None:
    prompt = next(answer.prompt for answer in BASE.answers if answer.id == "k0")
    assert set(leave_out([prompt], read_kept)(MEMORY, BASE)) == {"k1"}


def test_other_texts_than_the_bases_have_no_interval() -> None:
    base, run = with_texts(BASE, np.ones(8)), with_texts(MEMORY, np.ones(9))
    same = replace(run, general=replace(run.general, num_tokens=base.general.num_tokens))
    assert estimate(compare_runs([base, same]).methods[1], base, read_loss) is None


def test_perplexity_has_the_bounds_of_its_loss() -> None:
    draw = np.random.default_rng(1)
    base, run = with_texts(BASE, draw.normal(2, 0.4, 60)), with_texts(MEMORY, draw.normal(2.1, 0.4, 60))
    comparison = compare_runs([base, run])
    table = make_forgetting_table(comparison)
    cells = dict(zip((column.name for column in table.columns), table.rows[1].cells, strict=True))
    low, high = (float(text) for text in cells["Perplexity"].interval.strip("[]").split(", "))
    assert low < run.general.perplexity < high
    assert cells["Lost"].interval == "[0, 1]" and not table.rows[0].cells[5].interval
    assert RUNS[0] is BASE
