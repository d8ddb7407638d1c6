"""Batches: every token once an epoch, the same order for one seed, replay on top."""

import random
from dataclasses import replace
from itertools import pairwise

import pytest

from augment.errors import DatasetError
from augment.models import find_model
from train.config import Data
from train.data import Corpus, Sample, draw_replay, encode_windows, epoch_batches, pad, scale_mix

OPTIONS = Data(passages="p", questions="q", tokens_per_batch=64, max_length=16, replay_share=0.0)
CORPUS = Corpus([Sample([i] * (2 + i % 9)) for i in range(1, 40)], [Sample([99] * 10), Sample([98] * 10)], ["a"])


def test_every_token_comes_once_an_epoch() -> None:
    seen = [
        row[mask].tolist()
        for b in epoch_batches(CORPUS, OPTIONS, 0, 0)
        for row, mask in zip(b.ids, b.mask, strict=True)
    ]
    assert sorted(seen) == sorted(sample.ids for sample in CORPUS.notes)


def test_one_seed_gives_one_order_and_epochs_differ() -> None:
    def order(seed: int, epoch: int) -> list[list[list[int]]]:
        return [b.ids.tolist() for b in epoch_batches(CORPUS, OPTIONS, seed, epoch)]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)


def test_a_batch_teaches_one_document() -> None:
    notes = [replace(sample, document="ab"[i % 2]) for i, sample in enumerate(CORPUS.notes)]
    batches = list(epoch_batches(replace(CORPUS, notes=notes), OPTIONS.model_copy(update={"replay_share": 0.3}), 0, 0))
    assert {b.document for b in batches} == {"a", "b", ""}
    ids = {"a": {i for i in range(1, 40, 2)}, "b": {i for i in range(2, 40, 2)}, "": {98, 99}}
    assert all(set(b.ids[b.mask].tolist()) <= ids[b.document] for b in batches)


def test_shuffled_batches_hold_notes_of_any_document_and_replay_apart() -> None:
    notes = [replace(sample, document="ab"[i % 2]) for i, sample in enumerate(CORPUS.notes)]
    options = OPTIONS.model_copy(update={"replay_share": 0.3, "packing": "shuffled"})
    batches = list(epoch_batches(replace(CORPUS, notes=notes), options, 0, 0))
    assert {b.document for b in batches} == {""}
    assert any({i % 2 for i in b.ids[b.mask].tolist()} == {0, 1} for b in batches), "odd ids are of a, even ones of b"
    assert all(set(b.ids[b.mask].tolist()) <= {98, 99} for b in batches if b.ids[0, 0] in (98, 99))
    seen = [row[mask].tolist() for b in batches for row, mask in zip(b.ids, b.mask, strict=True)]
    assert sorted(row for row in seen if row[0] < 98) == sorted(sample.ids for sample in notes)


@pytest.mark.parametrize("packing", ["document", "shuffled"])
def test_joined_notes_teach_the_same_tokens_in_fewer_sequences(packing: str) -> None:
    notes = [replace(s, document="ab"[i % 2], learn=[j > 1 for j in range(len(s))]) for i, s in enumerate(CORPUS.notes)]
    corpus, alone = replace(CORPUS, notes=notes), OPTIONS.model_copy(update={"packing": packing})
    joined = alone.model_copy(update={"join_notes": True})

    def taught(options: Data) -> tuple[list[int], int]:
        batches = list(epoch_batches(corpus, options, 0, 0))
        assert all(b.mask.sum(1).max() <= 16 for b in batches)
        assert {b.document for b in batches} == ({"a", "b"} if packing == "document" else {""})
        return sorted(t for b in batches for t in b.ids[b.learn].tolist()), sum(len(b.ids) for b in batches)

    (tokens, rows), (same, fewer) = taught(alone), taught(joined)
    assert tokens == same and fewer < rows / 2


def test_only_what_is_to_be_learned_is_predicted() -> None:
    batch = pad([Sample([5, 6, 7], [True, False, True]), Sample([5, 6, 7, 8])])
    assert batch.mask.tolist() == [[True, True, True, False], [True] * 4]
    assert batch.learn.tolist() == [[False, False, True, False], [False, True, True, True]]


def test_replay_comes_on_top_of_the_notes() -> None:
    notes = sum(map(len, CORPUS.notes))
    replay = sum(map(len, draw_replay(CORPUS, 0.5, random.Random(0))))
    assert 0.5 * notes <= replay < 0.5 * notes + 10


def test_a_long_text_is_cut_into_windows_without_losing_a_token() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(find_model("smollm2-135m").path))
    ids = [*tokenizer("The lantern keeper counted nine bells. " * 12).input_ids, tokenizer.eos_token_id]
    for num_tokens in (16, 17, 31, 32, len(ids)):  # one window, one more token, two windows, one more, many
        text = tokenizer.decode(ids[: num_tokens - 1])
        windows = encode_windows([text], tokenizer, 16)
        whole = [*tokenizer(text).input_ids, tokenizer.eos_token_id]
        assert len(whole) == num_tokens and all(len(w) <= 16 for w in windows)
        assert [w.ids[i] for w in windows for i in w.learned()] == whole[1:], "each but the first is learned once"
        assert all(b.ids[0] == a.ids[-1] for a, b in pairwise(windows))


def test_of_a_question_only_the_answer_is_learned() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(find_model("smollm2-135m").path))
    texts = ["Question: Who?\nAnswer: Ada Lorn", "Ada Lorn said: Question: Who?"]
    pair, statement = encode_windows(texts, tokenizer, 64, answers_only=True)
    assert (
        tokenizer.decode([t for t, on in zip(pair.ids, pair.learn or [], strict=True) if on]) == " Ada Lorn<|im_end|>"
    )
    assert statement.learn and all(statement.learn)
    assert all(all(s.learn or []) for s in encode_windows(texts, tokenizer, 64))


def mixed(num_tokens: int) -> Corpus:
    """Strategies of 30 and of 10 notes, 5 tokens each."""
    notes = [Sample([i] * 5, strategy="a" if i < 30 else "b") for i in range(40)]
    assert sum(map(len, notes)) == num_tokens
    return Corpus(notes, [], ["d"])


def test_mixes_of_equal_tokens_see_as_many_whatever_their_notes() -> None:
    corpus, options = mixed(200), OPTIONS.model_copy(update={"mix_tokens": 120})
    for mix in ({"a": 1.0}, {"b": 1.0}, {"a": 1.0, "b": 2.0}, None):
        for epoch in range(3):
            total = sum(batch.num_tokens() for batch in epoch_batches(corpus, options, 0, epoch, mix))
            assert abs(total - 120) <= 5, mix
    scaled = scale_mix(corpus.notes, {"a": 1.0, "b": 2.0}, 120)
    assert scaled["b"] == 2 * scaled["a"]


def test_a_mix_without_notes_cannot_be_scaled() -> None:
    with pytest.raises(DatasetError, match="no note of the strategies summary"):
        scale_mix(mixed(200).notes, {"summary": 1.0}, 100)
