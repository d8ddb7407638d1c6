"""Tokens that one thing's notes keep saying: found without being told, and the only ones that write, where so asked."""

from dataclasses import replace
from pathlib import Path

import torch

from train.data import Sample, join_samples, pad
from train.loop import take_step
from train.memory.attach import fit_background
from train.methods.memory import MemoryMethod
from train.methods.options import MemoryOptions
from train.model import load_model
from train.recurring import mark_recurring

NAMES = [[100 + i, 200 + i] for i in range(10)]  # of ten people, in phrasings that all of them share
FORMS = [([1, 2], [3, 4]), ([5], [6, 7, 8]), ([9, 10, 11], [12])]


def notes_of(name: list[int], number: int) -> list[Sample]:
    return [Sample([*left, *name, *right], document=str(number)) for left, right in FORMS]


NOTES = [note for number, name in enumerate(NAMES) for note in notes_of(name, number)]


def test_names_recur_and_phrasings_do_not() -> None:
    for sample in mark_recurring(NOTES):
        assert sample.recurs == [token >= 100 for token in sample.ids]


def test_what_all_say_does_not_recur_however_often_it_is_said() -> None:
    notes = [replace(note, ids=[1, 2, *note.ids]) for note in NOTES]
    assert all(sample.recurs and sample.recurs[:2] == [False, False] for sample in mark_recurring(notes))


def test_a_common_token_is_not_marked_within_a_phrase_of_one_thing() -> None:
    notes = [replace(note, ids=[*note.ids, 100 + int(note.document), 2, 1]) for note in NOTES]
    assert all(sample.recurs and sample.recurs[-3:] == [True, False, False] for sample in mark_recurring(notes))


def test_each_of_several_facts_about_one_thing_recurs() -> None:
    others = [replace(note, ids=[token + 300 * (token >= 100) for token in note.ids]) for note in NOTES]
    for sample in mark_recurring([*NOTES, *others, *others]):
        assert sample.recurs == [token >= 100 for token in sample.ids]


def test_all_tokens_count_where_nothing_recurs() -> None:
    assert mark_recurring([Sample([1, 2, 3], document="a")])[0].recurs == [True] * 3


def test_chunks_of_a_document_are_things_of_their_own() -> None:
    notes = [replace(note, document="", span=(int(note.document), 0)) for note in NOTES]
    assert [s.recurs for s in mark_recurring(notes)] == [s.recurs for s in mark_recurring(NOTES)]


def test_marks_go_with_their_tokens_into_sequences_and_batches() -> None:
    marked = mark_recurring(NOTES)[:3]
    joined = join_samples(marked)
    assert joined.recurs == [token >= 100 for token in joined.ids]
    batch = pad([*marked, Sample([1, 2])])
    assert batch.recurs is not None
    assert torch.equal(batch.recurs, (batch.ids >= 100) | torch.tensor([[False] * 6] * 3 + [[True] * 2 + [False] * 4]))


def test_only_their_reads_move_rows(tiny_model: Path) -> None:
    marks = [False, True, True, False, False]
    batch = pad([Sample([50 + i, 60, 70, 80, 90], recurs=marks) for i in range(4)])
    moved = {}
    for where in ("all", "recurring"):
        options = MemoryOptions(layers=[1], num_keys=32, heads=1, k=2, half_key_size=8, ranking="all", write_at=where)
        network = load_model(str(tiny_model), bf16=False).network
        method = MemoryMethod(network, options, seed=0)
        fit_background(network, method.memories, [pad([Sample(list(range(3, 60)))])], [])
        method.begin()
        take_step(network, method, [batch], 1.0, 0)
        moved[where] = set(method.written_rows()[1][0].tolist())
        if where == "recurring":
            reads = read_slots(network, method, batch.ids)
    assert moved["recurring"] <= set(reads[:, marks].flatten().tolist())
    assert moved["recurring"] < moved["all"]


def read_slots(network: torch.nn.Module, method: MemoryMethod, ids: torch.Tensor) -> torch.Tensor:
    """What an untrained copy of the keys reads, (B, L, reads); rows moved do not change what the one layer reads."""
    method.begin()
    with torch.no_grad():
        network(input_ids=ids)
    slots = method.memories[1].take_accesses()[0].slots
    return slots.reshape(*ids.shape, -1)
