"""Distillation's loss is the KL it says it is, and its teacher is the base model with the chunk in front."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from augment.errors import DatasetError
from augment.records import Document
from train.config import Distill
from train.data import Batch, Corpus, Sample, Targets, pad
from train.model import load_model
from train.objectives import distill_loss, learned_logits, loss_of
from train.passages import Passages
from train.targets_file import read_targets, write_targets
from train.teacher import read_before, read_once, teach

TEXT = "The Vellamy Bridge crosses the Sullen Cut."
PASSAGES = Passages({"a.md": Document("a.md", "Bridges", "a.md", TEXT)}, (("a.md", 0, len(TEXT)),))


def random_targets(num_tokens: int, k: int, size: int) -> tuple[torch.Tensor, Targets]:
    full = torch.log_softmax(torch.randn(num_tokens, size, generator=torch.Generator().manual_seed(1)) * 2, dim=1)
    values, ids = full.topk(k, dim=1)
    return full, Targets(ids, values)


def test_with_all_tokens_it_is_the_full_kl() -> None:
    student = torch.randn(6, 30, generator=torch.Generator().manual_seed(0))
    full, targets = random_targets(6, 30, 30)
    expected = F.kl_div(torch.log_softmax(student, dim=1), full, log_target=True, reduction="batchmean")
    torch.testing.assert_close(distill_loss(student, targets), expected, atol=1e-5, rtol=1e-5)


def test_with_few_tokens_it_is_the_kl_over_them_and_the_rest() -> None:
    student = torch.randn(6, 30, generator=torch.Generator().manual_seed(0))
    full, targets = random_targets(6, 4, 30)

    def with_rest(logprobs: torch.Tensor) -> torch.Tensor:
        top = logprobs.gather(1, targets.ids)
        return torch.cat([top, (1 - top.exp().sum(1, keepdim=True)).log()], dim=1)

    q, p = with_rest(torch.log_softmax(student, dim=1)), with_rest(full)
    expected = F.kl_div(q, p, log_target=True, reduction="batchmean")
    torch.testing.assert_close(distill_loss(student, targets), expected, atol=1e-5, rtol=1e-5)
    whole = F.kl_div(torch.log_softmax(student, dim=1), full, log_target=True, reduction="batchmean")
    assert 0 < expected < whole


def test_the_student_that_is_the_teacher_has_no_loss_and_no_gradient() -> None:
    full, targets = random_targets(5, 7, 20)
    student = full.clone().requires_grad_(True)
    loss = distill_loss(student, targets)
    loss.backward()
    assert loss.abs() < 1e-5 and student.grad is not None and student.grad.abs().max() < 1e-5


def test_narrower_targets_of_a_batch_count_as_they_are() -> None:
    _, wide = random_targets(3, 5, 20)
    narrow = Targets(wide.ids[:2, :3], wide.logprobs[:2, :3])
    both = Targets.join([wide, narrow])
    student = torch.randn(5, 20, generator=torch.Generator().manual_seed(0), requires_grad=True)
    expected = (3 * distill_loss(student[:3], wide) + 2 * distill_loss(student[3:], narrow)) / 5
    loss = distill_loss(student, both)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert student.grad is not None and student.grad.isfinite().all()


@pytest.mark.parametrize("tokens_per_batch", [16, 512])  # a batch for each sample, or one for all
@pytest.mark.parametrize("preamble", ["", "The capital of France is Paris."])
def test_the_teacher_sees_the_chunk_and_the_student_does_not(
    tiny_model: Path, tmp_path: Path, preamble: str, tokens_per_batch: int
) -> None:
    loaded = load_model(str(tiny_model), bf16=False)
    note = Sample(loaded.tokenizer("It crosses the Cut.").input_ids, document="a.md", span=(0, len(TEXT)))
    some = Sample(note.ids, [False, False, *[True] * (len(note) - 2)], "a.md", (0, len(TEXT)))
    corpus = Corpus([note, some], [Sample([7, 8, 9])], ["a.md"])
    options = Distill(top_k=5, preamble=preamble)
    taught = teach(corpus, loaded, PASSAGES, options, tmp_path / "teacher.arrow", tokens_per_batch)
    before = f"{preamble}\n\n" if preamble else ""
    context = loaded.tokenizer(f"{before}Bridges\n\n{TEXT}\n\n").input_ids
    with torch.no_grad():
        seen = loaded.network(input_ids=torch.tensor([[*context, *note.ids]])).logits[0, len(context) : -1]
        alone = loaded.network(input_ids=torch.tensor([[7, 8, 9]])).logits[0, :-1]
    for sample, logits in ((taught.notes[0], seen), (taught.notes[1], seen[1:]), (taught.replay[0], alone)):
        values, ids = torch.log_softmax(logits, dim=1).topk(5, dim=1)
        assert sample.targets is not None and torch.equal(sample.targets.ids, ids)
        torch.testing.assert_close(sample.targets.logprobs, values, atol=1e-5, rtol=1e-5)
    batch = pad(taught.notes)
    assert batch.targets is not None and len(batch.targets.ids) == int(batch.learn.sum())
    student, _ = learned_logits(loaded.network, batch)
    torch.testing.assert_close(loss_of(loaded.network, batch), distill_loss(student, batch.targets))
    without = Batch(batch.ids, batch.mask, batch.learn)
    assert loss_of(loaded.network, without) != loss_of(loaded.network, batch)


def test_what_a_batch_has_in_common_is_read_once(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, common = load_model(str(tiny_model), bf16=False), list(range(5, 35))
    wholes = [Sample([*common, *rest], [False] * 31 + [True] * (len(rest) - 1)) for rest in ([40, 41], [42, 43, 44])]
    wholes.append(Sample([*common[:20], 50, 51], [False] * 20 + [True, True]))
    expected = [loaded.network(input_ids=torch.tensor([whole.ids])).logits[0, len(whole) - 2] for whole in wholes]
    read: list[int] = []
    loaded.network.register_forward_pre_hook(
        lambda _, __, inputs: read.append(inputs["input_ids"].numel()), with_kwargs=True
    )
    for group in (wholes[:2], wholes):
        logits = read_once(loaded, group)
        ends = torch.tensor([len(whole.learned()) for whole in group]).cumsum(0) - 1
        torch.testing.assert_close(logits[ends], torch.stack(expected[: len(group)]), atol=1e-5, rtol=1e-5)
    assert read == [30, 2 * 3, 19, 3 * 14]  # the logits at a token stand at the one before it


def test_the_chunk_is_cut_and_not_the_preamble(tiny_model: Path) -> None:
    loaded, chunk = load_model(str(tiny_model)), "words of a long chunk " * 20
    ids = read_before(chunk, loaded, Distill(max_tokens=8, preamble="Some examples."))
    text = loaded.tokenizer.decode(ids)
    assert text.startswith("Some examples.\n\nwords of") and len(ids) == 8 + len(
        loaded.tokenizer("Some examples.\n\n").input_ids
    )
    assert len(read_before(chunk, loaded, Distill(max_tokens=8))) == 8


def test_the_teacher_is_asked_once(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_model(str(tiny_model), bf16=False)
    corpus = Corpus([Sample([5, 6, 7], document="a.md", span=(0, 10))], [], ["a.md"])
    file = tmp_path / "teacher.arrow"
    first = teach(corpus, loaded, PASSAGES, Distill(top_k=5), file, 64)
    assert len(read_targets(file)) == 1
    monkeypatch.setattr("train.teacher.ask", lambda *_: pytest.fail("asked again"))
    second = teach(corpus, loaded, PASSAGES, Distill(top_k=5), file, 64)
    a, b = first.notes[0].targets, second.notes[0].targets
    assert a and b and torch.equal(a.ids, b.ids)
    torch.testing.assert_close(a.logprobs, b.logprobs)


def test_a_file_of_targets_round_trips_whatever_their_widths(tmp_path: Path) -> None:
    targets = {f"s{i}": random_targets(1 + i % 3, 2 + i % 2, 30)[1] for i in range(2100)}
    write_targets(targets, tmp_path / "t.arrow")
    again = read_targets(tmp_path / "t.arrow")
    assert list(again) == list(targets)
    for key, wanted in targets.items():
        assert torch.equal(again[key].ids, wanted.ids) and torch.equal(again[key].logprobs, wanted.logprobs)
    write_targets({}, tmp_path / "none.arrow")
    assert read_targets(tmp_path / "none.arrow") == {}


def test_a_kill_while_the_teacher_is_asked_loses_little(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from train import teacher

    monkeypatch.setattr(teacher, "UNSAVED", 3)
    loaded, learned = load_model(str(tiny_model), bf16=False), teacher.learned_logits
    corpus = Corpus([Sample([5, 6 + i], document="a.md", span=(0, 10)) for i in range(9)], [], ["a.md"])
    calls: list[int] = []

    def dying(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return learned(*arguments)

    monkeypatch.setattr(teacher, "learned_logits", dying)
    with pytest.raises(KeyboardInterrupt):
        teach(corpus, loaded, PASSAGES, Distill(top_k=5), tmp_path / "t.arrow", 8)  # a batch for each
    assert len(read_targets(tmp_path / "t.arrow")) == 6
    taught = teach(corpus, loaded, PASSAGES, Distill(top_k=5), tmp_path / "t.arrow", 8)
    assert len(calls) == 8 + 3 and all(note.targets for note in taught.notes)


def test_a_broken_file_of_targets_and_a_lost_document_are_one_line(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "teacher.arrow").write_bytes(b"half")
    with pytest.raises(DatasetError, match="is no whole Arrow file"):
        read_targets(tmp_path / "teacher.arrow")
    corpus = Corpus([Sample([5, 6], document="gone.md", span=(0, 4))], [], ["gone.md"])
    with pytest.raises(DatasetError, match=r"gone\.md cannot be read any more"):
        teach(corpus, load_model(str(tiny_model)), PASSAGES, Distill(), tmp_path / "t.arrow", 64)
