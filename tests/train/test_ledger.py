"""What the ledger books to each document is what its gradients moved, now and later, by a plain loop's account."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.train.test_memory import OPTIONS
from train.data import Sample, pad
from train.loop import take_step
from train.memory.attach import fit_background
from train.memory.ledger import Ledger
from train.memory.optimizer import RowAdam, RowSgd
from train.memory.rows import SortedRows, TouchedRows
from train.methods.memory import MemoryMethod
from train.model import load_model

NUM_ROWS, WIDTH, DOCUMENTS = 12, 3, "xyz"


def steps(number: int) -> list[tuple[str, Tensor, Tensor]]:
    """Documents in turn, some of the rows, gradients."""
    draw = torch.Generator().manual_seed(0)
    return [
        (DOCUMENTS[i * i % 3], torch.randperm(NUM_ROWS, generator=draw)[:7], torch.randn(7, WIDTH, generator=draw))
        for i in range(number)
    ]


@pytest.mark.parametrize("kind", [RowAdam, RowSgd])
@pytest.mark.parametrize("number", [5, 90])
def test_each_document_gets_what_its_own_gradients_moved(kind: type[RowAdam] | type[RowSgd], number: int) -> None:
    table = torch.zeros(NUM_ROWS, WIDTH)
    optimizer = kind(table, lr=0.1)
    ledger = Ledger(NUM_ROWS, WIDTH, optimizer.momentum, table.device)
    parts, moved = (torch.zeros(len(DOCUMENTS), NUM_ROWS, WIDTH) for _ in range(2))
    for i, (document, rows, gradient) in enumerate(steps(number)):
        rate = optimizer.step(rows, gradient, 1 - i / number)
        ledger.add(document, rows, gradient, rate)
        parts[:, rows] *= optimizer.momentum
        parts[DOCUMENTS.index(document), rows] += (1 - optimizer.momentum) * gradient
        moved[:, rows] -= rate * parts[:, rows]
    ledger.settle_all()
    for document, wanted in zip(DOCUMENTS, moved, strict=True):
        slots, deltas = ledger.written(document)
        found = torch.zeros_like(table).index_add_(0, slots, deltas)
        assert torch.equal(slots, slots.sort().values)
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(moved.sum(0), table, rtol=1e-4, atol=1e-5)


def test_momentum_that_is_forgotten_moves_nothing_any_more() -> None:
    ledger, one = Ledger(4, 2, 0.9, torch.device("cpu")), torch.ones(1, 1)
    ledger.add("x", torch.tensor([1]), torch.ones(1, 2), one)
    ledger.forget_momentum()
    before = ledger.written("x")[1].clone()
    ledger.add("y", torch.tensor([1]), torch.zeros(1, 2), one)
    ledger.settle_all()
    assert torch.equal(ledger.written("x")[1], before) and not ledger.written("y")[1].any()


def test_a_saved_ledger_goes_on_to_the_bit() -> None:
    whole, first, second = (Ledger(NUM_ROWS, WIDTH, 0.9, torch.device("cpu")) for _ in range(3))
    for i, (document, rows, gradient) in enumerate(steps(80)):
        if i == 40:
            second.load(first.save())
        for ledger in (whole, first if i < 40 else second):
            ledger.add(document, rows, gradient, torch.full((7, 1), 0.5))
    for ledger in (whole, second):
        ledger.settle_all()
    assert list(second.documents) == list(whole.documents)
    for document in DOCUMENTS:
        assert all(torch.equal(a, b) for a, b in zip(whole.written(document), second.written(document), strict=True))


def test_the_patches_of_all_documents_add_up_to_the_tables(tiny_model: Path) -> None:
    network = load_model(str(tiny_model), bf16=False).network
    method = MemoryMethod(network, OPTIONS, seed=0)
    batches = [pad([Sample([7 + i, 9, 30, 40 + i], document=f"{i}.md")]) for i in range(3)]
    fit_background(network, method.memories, [pad([Sample(list(range(3, 60)))])], [])
    for step in range(40):
        take_step(network, method, [batches[step % 3]], 1.0, step)
    patches = method.patches()
    assert [patch.metadata["document"] for patch in patches] == ["0.md", "1.md", "2.md"]
    for layer, memory in method.memories.items():
        total = torch.zeros_like(memory.values)
        for patch in patches:
            total.index_add_(0, *patch.layers[layer])
        assert memory.values.any()
        torch.testing.assert_close(total, memory.values, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "rows", [TouchedRows(100, {"a": 2}, torch.device("cpu")), SortedRows({"a": 2}, torch.device("cpu"))]
)
def test_rows_are_found_again_wherever_new_ones_come(rows: TouchedRows | SortedRows) -> None:
    table = torch.zeros(100, 2)
    for seed in range(9):
        slots = torch.randperm(100, generator=torch.Generator().manual_seed(seed))[:11]
        rows.add("a", rows.find(slots), slots[:, None].expand(-1, 2).float())
        table[slots] += slots[:, None].float()
    found = torch.zeros_like(table).index_add_(0, rows.slots[: rows.used], rows.rows["a"][: rows.used])
    assert torch.equal(found, table) and len(rows.slots) <= 100
