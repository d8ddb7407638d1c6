"""The loop: its loss, its steps, its schedules, and what ends it early."""

import json
import math
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from augment.errors import DivergedError, RunError
from train.config import Data, Train, Watch
from train.data import Corpus, Sample, Targets, pad
from train.loop import learning_rate_scale, take_step, train_method
from train.memory.attach import fit_background
from train.methods.base import Method
from train.methods.dense import DenseAdamW
from train.methods.memory import MemoryMethod
from train.methods.options import FullOptions, LoraOptions, MemoryOptions, Methods, PrefixOptions, TrainedOptions
from train.methods.prefix import PrefixMethod
from train.methods.registry import start_method
from train.model import load_model
from train.objectives import next_token_loss

SHAPE: dict[str, Any] = {"layers": [2], "num_keys": 16, "heads": 2, "k": 4, "half_key_size": 8}
METHODS: dict[str, TrainedOptions] = {
    "full": FullOptions(lr=1e-3),
    "lora": LoraOptions(rank=2, lr=1e-2),
    "memory": MemoryOptions(**SHAPE),
    "memory_all": MemoryOptions(**SHAPE, ranking="all"),
    "prefix": PrefixOptions(num_tokens=4, lr=1e-2),
}
DATA = Data(passages="", questions="", replay_share=0, tokens_per_batch=32)


def make_notes(num_notes: int) -> list[Sample]:
    draw = torch.Generator().manual_seed(0)
    return [Sample(torch.randint(3, 900, (5 + i % 4,), generator=draw).tolist()) for i in range(num_notes)]


@cache
def base(model: Path) -> torch.nn.Module:
    return load_model(str(model), bf16=False).network


def start(model: Path, options: TrainedOptions) -> Method:
    method = start_method(deepcopy(base(model)), options, seed=0)
    if isinstance(method, MemoryMethod):
        fit_background(method.network, method.memories, [pad(make_notes(12))], [])
    if isinstance(method, PrefixMethod):
        method.fit(make_notes(12))
    return method


def logits_of(method: Method) -> torch.Tensor:
    with torch.no_grad():
        out: torch.Tensor = method.network(input_ids=torch.tensor([make_notes(1)[0].ids])).logits
    return out


def taught(samples: list[Sample]) -> list[Sample]:
    """The samples with a teacher's three likeliest tokens at each place."""
    draw = torch.Generator().manual_seed(1)

    def targets(sample: Sample) -> Targets:
        scores = torch.log_softmax(torch.randn(len(sample.learned()), 900, generator=draw), dim=1)
        values, ids = scores.topk(3, dim=1)
        return Targets(ids, values)

    return [Sample(sample.ids, targets=targets(sample)) for sample in samples]


def test_the_loss_is_that_of_the_whole_logits_at_the_tokens_to_learn(tiny_model: Path) -> None:
    network = load_model(str(tiny_model), bf16=False).network
    batch = pad([Sample([5, 6, 7, 8], [True, False, True, True]), Sample([9, 5, 3]), Sample([4, 4], [True, False])])
    logits = network(input_ids=batch.ids, attention_mask=batch.mask.long()).logits
    pairs = [(0, 2), (0, 3), (1, 1), (1, 2)]
    expected = torch.stack([F.cross_entropy(logits[i, t - 1], batch.ids[i, t]) for i, t in pairs]).mean()
    torch.testing.assert_close(next_token_loss(network, batch), expected)
    torch.testing.assert_close(network(input_ids=batch.ids, attention_mask=batch.mask.long()).logits, logits)


def test_cached_activations_give_the_same_training(tiny_model: Path, tmp_path: Path) -> None:
    corpus, losses = Corpus(make_notes(12), [], []), []
    for cached in (False, True):
        settings = Train(methods=Methods(), data=DATA, epochs=4, batches_per_step=2, cache_activations=cached)
        method = start(tiny_model, METHODS["memory"])
        log = tmp_path / f"{cached}.jsonl"
        train_method(method.network, method, corpus, settings, 0, log, lambda *_: None)
        losses.append([json.loads(line)["loss"] for line in log.read_text().splitlines()])
    torch.testing.assert_close(torch.tensor(losses[0]), torch.tensor(losses[1]))
    assert losses[1][-1] < losses[1][0]


@pytest.mark.parametrize("make", [make_notes, lambda n: taught(make_notes(n))], ids=["next_token", "distill"])
@pytest.mark.parametrize("name", METHODS)
def test_small_batches_make_the_step_of_the_large_one(
    tiny_model: Path, name: str, make: Callable[[int], list[Sample]]
) -> None:
    notes, ends = make(6), []
    for batches in ([pad(notes)], [pad(notes[:1]), pad(notes[1:4]), pad(notes[4:])]):
        method = start(tiny_model, METHODS[name])
        before = logits_of(method)
        losses = [take_step(method.network, method, batches, 1.0, step) for step in range(2)]
        ends.append((torch.tensor(losses), logits_of(method)))
        assert (ends[-1][1] - before).abs().max() > 1e-3
    torch.testing.assert_close(ends[0][0], ends[1][0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(ends[0][1], ends[1][1], atol=2e-3, rtol=2e-3)


def test_a_step_of_several_batches_is_clipped_once_by_the_norm_of_their_sum(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    norms, clip = [], DenseAdamW.clip

    def watch(self: DenseAdamW, gradients: list[torch.Tensor], max_norm: float) -> None:
        before = float(torch.nn.utils.get_total_norm(gradients))
        clip(self, gradients, max_norm)
        norms.append((before, float(torch.nn.utils.get_total_norm(gradients))))

    monkeypatch.setattr(DenseAdamW, "clip", watch)
    method, notes = start(tiny_model, METHODS["full"]), make_notes(6)
    for parameter in method.network.parameters():
        parameter.data *= 3  # else no gradient is longer than 1
    take_step(method.network, method, [pad(notes[:3]), pad(notes[3:])], 1.0, 0)
    ((before, after),) = norms
    assert before > 1.5 and after == pytest.approx(1.0, rel=1e-4)


def test_schedules_warm_up_and_end_where_they_say() -> None:
    def scales(schedule: str) -> list[float]:
        return [learning_rate_scale(step, 25, 5, schedule) for step in range(25)]

    for schedule in ("cosine", "linear", "constant"):
        assert scales(schedule)[:6] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
    assert scales("constant")[5:] == [1.0] * 20
    assert scales("linear")[15] == pytest.approx(0.55) and scales("linear")[-1] == pytest.approx(1 - 0.9 * 19 / 20)
    assert scales("cosine")[15] == pytest.approx(0.55)
    assert scales("cosine")[-1] == pytest.approx(0.55 + 0.45 * math.cos(math.pi * 19 / 20))
    assert learning_rate_scale(0, 3, 0) == 1.0 and learning_rate_scale(1, 2, 5) == pytest.approx(0.4)


def test_a_run_ends_after_the_epoch_that_learned_enough(tiny_model: Path, tmp_path: Path) -> None:
    settings, asked = Train(methods=Methods(), data=DATA, epochs=5), []

    def is_enough(epoch: int, step: int, ends_epoch: bool) -> bool | None:
        if not ends_epoch:
            return None
        asked.append((epoch, step))
        return epoch == 2

    method = start(tiny_model, METHODS["lora"])
    corpus = Corpus(make_notes(12), [], [])
    trained = train_method(
        method.network, method, corpus, settings, 0, tmp_path / "log", lambda *_: None, is_enough=is_enough
    )
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [epoch for epoch, _ in asked] == [1, 2] and asked[-1][1] == len(lines) == lines[-1]["step"]
    assert lines[-1]["num_steps"] == len(lines) * 5 / 2
    assert trained.tokens == lines[-1]["tokens"] == 2 * sum(map(len, corpus.notes))


def test_a_step_to_ask_after_that_there_is_not_is_an_error(tiny_model: Path, tmp_path: Path) -> None:
    settings, method = Train(methods=Methods(), data=DATA, epochs=1), start(tiny_model, METHODS["lora"])
    settings = settings.model_copy(update={"watch": Watch(at_steps=[1, 99])})
    with pytest.raises(RunError, match="at_steps names step 99, and there are"):
        train_method(
            method.network, method, Corpus(make_notes(4), [], []), settings, 0, tmp_path / "log", lambda *_: None
        )


def fill_this_machine(*_: object) -> None:
    torch.empty(10**15)


def fill_a_gpu(*_: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


def fill_python(*_: object) -> None:
    raise MemoryError


@pytest.mark.parametrize("fail", [fill_this_machine, fill_a_gpu, fill_python])
@pytest.mark.parametrize(
    ("rows", "place", "setting"),
    [
        (3, "loss_of", r"on a batch of 3 x 7 tokens .*; lower train\.data\.tokens_per_batch and raise train\.batches"),
        (1, "loss_of", r"on a batch of 1 x 5 tokens .*; lower train\.data\.max_length"),
        (3, "update", r"where the optimiser moves the weights .*; train less at once: lora or prefix for full"),
    ],
)
def test_running_out_of_memory_names_the_setting_to_lower(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, fail: Callable[..., None], rows: int, place: str, setting: str
) -> None:
    method = start(tiny_model, METHODS["lora"])
    if place == "loss_of":
        monkeypatch.setattr("train.loop.loss_of", fail)
    else:
        monkeypatch.setattr(method, "update", fail)
    with pytest.raises(RunError, match=f"memory ran out at step 4, {setting}"):
        take_step(method.network, method, [pad(make_notes(rows))], 1.0, 4)


def test_another_error_is_none_of_memory(tiny_model: Path) -> None:
    method = start(tiny_model, METHODS["lora"])
    with pytest.raises(IndexError):
        take_step(method.network, method, [pad([Sample([5, 10**6])])], 1.0, 0)


@pytest.mark.parametrize("name", ["full", "lora", "prefix"])
def test_a_gradient_that_is_no_number_moves_nothing(tiny_model: Path, name: str) -> None:
    method = start(tiny_model, METHODS[name])
    before = logits_of(method)
    hook = next(p for p in method.network.parameters() if p.requires_grad).register_hook(lambda g: g * math.inf)
    with pytest.raises(DivergedError, match=r"the gradient's norm is (nan|inf) at step 7: 2 sequences of replay or"):
        take_step(method.network, method, [pad(make_notes(2))], 1.0, 7)
    hook.remove()
    assert torch.equal(logits_of(method), before)
