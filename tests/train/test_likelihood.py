"""Likelihood, KL to the base model and fluency, against the formulas on whole distributions."""

from pathlib import Path

import pytest
import torch

from train.config import Evaluate
from train.data import Sample, pad
from train.evaluate.fluency import Opening, list_openings, measure_fluency, repeated_share
from train.evaluate.likelihood import measure_likelihood, sum_kl
from train.evaluate.probes import Probe
from train.evaluate.writer import NetworkWriter
from train.model import load_model

BATCHES = [pad([Sample([5, 6, 7, 8]), Sample([9, 10])]), pad([Sample([11, 12, 13])])]


def test_likelihood_is_summed_by_text(tiny_model: Path) -> None:
    loaded = load_model(str(tiny_model), bf16=False)
    found = measure_likelihood(loaded, BATCHES)
    assert [text.num_tokens for text in found.texts] == [3, 1, 2] and found.num_tokens == 6
    sums = []
    for ids in ([5, 6, 7, 8], [9, 10], [11, 12, 13]):
        with torch.no_grad():
            logits = loaded.network(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        sums.append(-sum(float(logits[i - 1, ids[i]]) for i in range(1, len(ids))))
    assert [text.nll for text in found.texts] == pytest.approx(sums, rel=1e-4)
    assert found.nll == pytest.approx(sum(sums) / 6, rel=1e-4) and found.kl is None


def test_kl_is_that_of_the_whole_distributions(tiny_model: Path) -> None:
    base, run = load_model(str(tiny_model), bf16=False), load_model(str(tiny_model), bf16=False)
    same = measure_likelihood(run, BATCHES, base.network)
    assert same.kl == pytest.approx(0.0, abs=1e-6)
    with torch.no_grad():
        for parameter in run.network.parameters():
            parameter.mul_(1.5)
    found = measure_likelihood(run, BATCHES, base.network)
    total = 0.0
    for ids in ([5, 6, 7, 8], [9, 10], [11, 12, 13]):
        with torch.no_grad():
            p, q = (m.network(input_ids=torch.tensor([ids])).logits[0, :-1].softmax(-1) for m in (base, run))
        total += float((p * (p / q).log()).sum())
    assert found.kl == pytest.approx(total / 6, rel=1e-3) and total > 0.01
    assert measure_likelihood(run, BATCHES, run.network).kl == 0.0


def test_kl_is_never_negative_and_not_symmetric() -> None:
    base, model = torch.tensor([[0.0, 1.0, 2.0]]), torch.tensor([[3.0, 1.0, 0.0]])
    p, q = base.softmax(-1), model.softmax(-1)
    assert sum_kl(base, model) == pytest.approx(float((p * (p / q).log()).sum()), rel=1e-5)
    assert sum_kl(base, model) != pytest.approx(sum_kl(model, base), rel=1e-3)
    assert sum_kl(base, base) == 0.0


@pytest.mark.parametrize(
    ("text", "share"),
    [("", 0.0), ("one two three", 0.0), ("a b c d e", 0.0), ("a b c d a b c d", 0.2), ("la " * 13, 0.9)],
)
def test_repetition_is_the_share_of_four_word_sequences_seen_before(text: str, share: float) -> None:
    assert repeated_share(text) == pytest.approx(share)


def test_openings_are_spread_over_cues_and_passages() -> None:
    probes = [Probe(f"f{i}", "a.md", "cue", f"cue {i}", ["x"]) for i in range(10)]
    probes.append(Probe("k", "", "known", "What?", ["x"]))
    openings = list_openings(probes, ["word " * 30, "short"], 4)
    assert [o.prompt for o in openings if o.kind == "document"] == ["cue 0", "cue 2", "cue 5", "cue 7"]
    assert [len(o.prompt.split()) for o in openings if o.kind == "general"] == [12, 1]
    assert list_openings(probes, ["text"], 0) == []


def test_a_model_runs_on_past_line_ends_and_is_measured(tiny_model: Path) -> None:
    loaded = load_model(str(tiny_model), bf16=False)
    options = Evaluate(facts="", known="", open_tokens=30, batch_size=2)
    openings = [
        Opening("document", "The bridge"),
        Opening("document", "The tower of"),
        Opening("general", "Rain falls"),
    ]
    found = measure_fluency(NetworkWriter(loaded, options.batch_size), openings, options)
    assert [text["kind"] for text in found["texts"]] == ["document", "document", "general"]
    assert found["document"]["n"] == 2 and found["general"]["n"] == 1
    words = [text["num_words"] for text in found["texts"]]
    assert found["document"]["num_words"] == pytest.approx((words[0] + words[1]) / 2)
    assert measure_fluency(NetworkWriter(loaded, 2), [], options) == {"texts": []}
