"""The memory method: bit-identical at attach, exact lookup, rows that were not chosen keep every bit."""

import math
from pathlib import Path

import pytest
import torch

from augment.errors import ConfigError, DatasetError
from train.data import Batch, Sample, pad
from train.loop import take_step
from train.memory.attach import attach_memories, fit_background
from train.memory.background import load_background, save_background
from train.memory.gradient import Reads
from train.memory.optimizer import RowAdam, RowSgd
from train.memory.patch import Patch
from train.memory.placement import spread_points
from train.memory.pool import Pool
from train.memory.product_key import ProductKeys
from train.memory.slots import choose_slots, damp, score_kl, score_tfidf
from train.methods.memory import MemoryMethod
from train.methods.options import MemoryOptions
from train.model import load_model
from train.objectives import next_token_loss

OPTIONS = MemoryOptions(layers=[1, 2], num_keys=16, heads=2, k=4, half_key_size=8, top_t=20)


def some_batch(seed: int = 0, rows: int = 3) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    return pad([Sample(torch.randint(3, 40000, (5 + i,), generator=draw).tolist()) for i in range(rows)])


@pytest.mark.parametrize("num_keys", [10, 128])  # searched whole, and in groups
def test_product_keys_find_the_same_slots_as_brute_force(num_keys: int) -> None:
    keys = ProductKeys(size=12, num_keys=num_keys, heads=2, k=5, half=6, seed=3)
    states = torch.randn(7, 12, generator=torch.Generator().manual_seed(1))
    slots, weights = keys(states)
    queries = (states @ keys.projection).view(7, 2, 12)
    halves = [torch.nn.functional.normalize(h, dim=-1) for h in queries.chunk(2, -1)]
    first, second = (torch.einsum("the,hne->thn", h, keys.keys[:, i]) for i, h in enumerate(halves))
    best = (first[..., :, None] + second[..., None, :]).flatten(-2).topk(5, -1)
    assert torch.equal(slots.view(7, 2, 5).sort(-1).values, best.indices.sort(-1).values)
    torch.testing.assert_close(weights.view(7, 2, 5).sum(-1), torch.ones(7, 2))


def test_attach_changes_no_bit_of_the_output(tiny_model: Path) -> None:
    loaded, batch = load_model(str(tiny_model), bf16=False), some_batch()
    with torch.no_grad():
        before = loaded.network(input_ids=batch.ids).logits
        MemoryMethod(loaded.network, OPTIONS, seed=0)
        after = loaded.network(input_ids=batch.ids).logits
    assert torch.equal(before, after)


def test_a_layer_that_is_not_there_is_refused(tiny_model: Path) -> None:
    network = load_model(str(tiny_model), bf16=False).network
    with pytest.raises(ConfigError, match="layer 9 of 4"):
        MemoryMethod(network, OPTIONS.model_copy(update={"layers": [9]}), seed=0)


def train_steps(
    folder: Path, num_steps: int, options: MemoryOptions = OPTIONS, protect: Patch | None = None
) -> tuple[MemoryMethod, list[float], list[int]]:
    """Train a tiny memory; returns it, its losses, and how many rows moved in each step."""
    loaded, batch = load_model(str(folder), bf16=False), some_batch()
    method = MemoryMethod(loaded.network, options, seed=0)
    method.protect([protect] if protect else [])
    fit_background(loaded.network, method.memories, [some_batch(s, 8) for s in range(5, 12)], [some_batch(50)])
    losses, moved = [], []
    for _ in range(num_steps):
        before = method.memories[1].values.clone()
        method.begin()
        loss = next_token_loss(loaded.network, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        method.update([batch], 1.0)
        losses.append(loss.item())
        moved.append(int((before != method.memories[1].values).any(1).sum()))
    return method, losses, moved


def test_loss_falls_and_at_most_top_t_rows_move(tiny_model: Path) -> None:
    _, losses, moved = train_steps(tiny_model, 8)
    assert losses[-1] < losses[0]
    assert all(0 < n <= OPTIONS.top_t for n in moved)


def test_saved_rows_restore_the_model(tiny_model: Path, tmp_path: Path) -> None:
    method, _, _ = train_steps(tiny_model, 20)
    method.save(tmp_path)
    others = [MemoryMethod(load_model(str(tiny_model), bf16=False).network, OPTIONS, seed=s) for s in (0, 5)]
    for other in others:
        other.load(tmp_path)
    for index, memory in method.memories.items():
        torch.testing.assert_close(memory.values, others[0].memories[index].values, atol=1e-5, rtol=1e-5)
        assert torch.equal(others[0].memories[index].values, others[1].memories[index].values)
        assert torch.equal(memory.keys.keys, others[1].memories[index].keys.keys)
    again = MemoryMethod.from_pretrained(load_model(str(tiny_model), bf16=False).network, tmp_path)
    assert again.options == OPTIONS and torch.equal(again.memories[1].values, others[0].memories[1].values)
    with pytest.raises(DatasetError, match="holds no memory_config"):
        MemoryMethod.from_pretrained(again.network, tmp_path / "patches")


@pytest.mark.parametrize("num_batches", [1, 3])
def test_the_gradient_of_chosen_rows_is_that_of_the_whole_table(tiny_model: Path, num_batches: int) -> None:
    loaded, batches = load_model(str(tiny_model), bf16=False), [some_batch(s) for s in range(num_batches)]
    method = MemoryMethod(loaded.network, OPTIONS, seed=0)
    memory = method.memories[2]
    memory.values.normal_(std=0.1)
    method.begin()
    for batch in batches:
        next_token_loss(loaded.network, batch).backward()  # type: ignore[no-untyped-call]
    reads = Reads.of(memory.take_accesses(), [batch.mask for batch in batches])
    memory.values.requires_grad_()
    for other in method.memories.values():
        other.recording = False
    for batch in batches:
        next_token_loss(loaded.network, batch).backward()  # type: ignore[no-untyped-call]
    assert memory.values.grad is not None
    for chosen in (torch.arange(len(reads.slots)), torch.tensor([5, 0, 7]), torch.tensor([], dtype=torch.long)):
        torch.testing.assert_close(reads.row_gradient(chosen), memory.values.grad[reads.slots[chosen]])


def test_small_batches_make_the_step_of_the_large_one(tiny_model: Path) -> None:
    sequences = [Sample([5, 6, 7, 8, 9], [False, True, False, True, True]), Sample([9, 5, 3]), Sample([30, 31, 32, 33])]
    tables = []
    for parts in ([sequences], [sequences[:1], sequences[1:]]):
        network = load_model(str(tiny_model), bf16=False).network
        method = MemoryMethod(network, OPTIONS, seed=0)
        fit_background(network, method.memories, [some_batch(s, 8) for s in range(5, 12)], [some_batch(50)])
        loss = take_step(network, method, [pad(part) for part in parts], 1.0, step=0)
        tables.append((torch.tensor(loss), *(memory.values for memory in method.memories.values())))
    assert tables[0][1].any()
    for whole, accumulated in zip(*tables, strict=True):
        torch.testing.assert_close(whole, accumulated, atol=1e-4, rtol=1e-4)  # Adam's first step divides by |gradient|


def test_background_of_another_model_or_shape_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    network = load_model(str(tiny_model), bf16=False).network
    memories = attach_memories(network, OPTIONS, seed=0)
    fit_background(network, memories, [some_batch(5, 8)], [some_batch(50)])
    save_background(memories, {"model_revision": "a", "heads": "2"}, tmp_path / "b.safetensors")
    others = attach_memories(load_model(str(tiny_model), bf16=False).network, OPTIONS, seed=9)
    load_background(others, tmp_path / "b.safetensors", {"model_revision": "a", "heads": "2"})
    for index, memory in memories.items():
        assert torch.equal(memory.pool.document_frequency, others[index].pool.document_frequency)
        assert torch.equal(memory.keys.projection, others[index].keys.projection)
    for expected in ({"model_revision": "b"}, {"heads": "4"}):
        with pytest.raises(DatasetError, match="was made with"):
            load_background(others, tmp_path / "b.safetensors", expected)
    (tmp_path / "b.safetensors").write_bytes(b"nothing")
    with pytest.raises(DatasetError, match="holds no background"):
        load_background(others, tmp_path / "b.safetensors")


def test_protected_rows_never_move(tiny_model: Path) -> None:
    first, _, _ = train_steps(tiny_model, 2)
    slots = {index: memory.values.any(1).nonzero().flatten() for index, memory in first.memories.items()}
    patch = Patch("p", {index: (rows, torch.zeros(len(rows), 1)) for index, rows in slots.items()}, {})
    second, _, moved = train_steps(tiny_model, 2, protect=patch)
    assert any(moved)
    assert all(not second.memories[index].values[rows].any() for index, rows in slots.items())


@pytest.mark.parametrize("kind", [RowAdam, RowSgd])
def test_only_listed_rows_move(kind: type[RowAdam] | type[RowSgd]) -> None:
    values = torch.randn(10, 4, generator=torch.Generator().manual_seed(0))
    optimizer = kind(values, lr=0.1)
    for rows in ([1, 3], [3, 7], [7]):
        before = values.clone()
        optimizer.step(torch.tensor(rows), torch.ones(len(rows), 4), 1.0)
        still = [i for i in range(10) if i not in rows]
        assert torch.equal(before[still], values[still])
        assert not torch.equal(before[rows], values[rows])


def test_a_row_moves_as_in_dense_adam_that_sees_it_alone() -> None:
    gradients = torch.randn(6, 1, 4, generator=torch.Generator().manual_seed(0))
    values, lonely = torch.zeros(10, 4), torch.zeros(1, 4)
    big, small = RowAdam(values, lr=0.1, floor=False), RowAdam(lonely, lr=0.1, floor=False)
    for i, gradient in enumerate(gradients):
        big.step(torch.tensor([7]), gradient, 1.0)
        big.step(torch.tensor([i % 3]), gradient, 1.0)
        small.step(torch.tensor([0]), gradient, 1.0)
    torch.testing.assert_close(values[7], lonely[0])


def test_with_a_floor_a_row_of_little_gradient_moves_little() -> None:
    for floor, low, high in ((False, 0.09, 0.11), (True, 0.0, 0.02)):
        values = torch.zeros(3, 4)
        RowAdam(values, lr=0.1, floor=floor).step(
            torch.arange(3), torch.tensor([[10.0], [10.0], [1.0]]).expand(3, 4), 1.0
        )
        assert low < values[2].abs().max() < high and 0.05 < values[0].abs().max() < 0.11


def test_each_row_may_have_a_rate_of_its_own() -> None:
    values = torch.zeros(2, 4)
    RowSgd(values, lr=1.0).step(torch.arange(2), torch.ones(2, 4), torch.tensor([[1.0], [0.25]]))
    assert torch.equal(values, -torch.tensor([[1.0], [0.25]]).expand(2, 4))


def test_a_row_that_the_background_reads_is_damped() -> None:
    pool = Pool(num_slots=4, size=2)
    pool.count_background(torch.tensor([[0, 0, 1]]), torch.tensor([[0.5, 1.0, 0.5]]))
    assert torch.equal(pool.document_frequency, torch.tensor([1.0, 0.5, 0.0, 0.0]))
    torch.testing.assert_close(pool.background_share(torch.arange(4)), torch.tensor([3.0, 1.0, 0.0, 0.0]))
    torch.testing.assert_close(pool.half_share(torch.arange(4)), torch.tensor([2.0, 2.0, 0.0, 0.0]))
    torch.testing.assert_close(damp(torch.tensor([3.0, 1.0, 0.0]), 0.5), torch.tensor([0.5 / 3.5, 0.5 / 1.5, 1.0]))


def test_usage_is_how_evenly_the_background_reads_the_slots() -> None:
    pool = Pool(num_slots=200, size=2)
    assert pool.usage() == (0.0, 0.0)
    pool.count_background(torch.tensor([[7, 7, 8, 9, 11]]), torch.tensor([[2.0, 1.0, 3.0, 1.0, 1.0]]))
    assert pool.usage() == pytest.approx((4 / 200, 6 / 8))


def test_a_table_that_is_committed_keeps_every_bit() -> None:
    pool = Pool(num_slots=4, size=2)
    pool.values.copy_(torch.tensor([[-0.0, 1e-42], [math.nan, math.inf], [0.1, -0.1], [0.0, 1.0]]))
    before = pool.values.view(torch.int32).clone()
    pool.commit()
    assert torch.equal(pool.values.view(torch.int32), before)


def test_damping_keeps_the_background_as_it_is(tiny_model: Path) -> None:
    moved = []
    for damping in (0.0, 0.01):
        method, losses, _ = train_steps(tiny_model, 8, OPTIONS.model_copy(update={"damping": damping}))
        assert losses[-1] < losses[0]
        used = method.memories[1].pool.background_share(torch.arange(len(method.memories[1].values)))
        moved.append(float((used[:, None] * method.memories[1].values.square()).sum()))
    assert moved[1] < 0.5 * moved[0]


def test_spread_points_are_far_apart() -> None:
    draw = torch.Generator().manual_seed(0)
    centres = torch.nn.functional.normalize(torch.randn(5, 8, generator=draw), dim=-1)
    crowd = torch.cat([centres[:1].expand(50, 8), centres[1:]])
    chosen = spread_points(crowd, 5, draw)
    assert torch.equal(chosen.unique(dim=0), centres.unique(dim=0))
    assert len(spread_points(crowd[:3], 5, draw)) == 3


def test_placed_keys_are_read_by_tokens_like_the_notes_alone() -> None:
    draw = torch.Generator().manual_seed(0)
    keys = ProductKeys(size=32, num_keys=16, heads=2, k=4, half=16, seed=0)
    keys.fit(torch.randn(400, 32, generator=draw))
    notes, others = torch.randn(12, 32, generator=draw), torch.randn(200, 32, generator=draw)
    torch.testing.assert_close(keys(others)[1].sum(1), torch.full((200,), 2.0))
    keys.place(notes, null_score=1.5)
    assert keys(notes)[1].sum(1).min() > 1.8  # of two heads
    assert keys(others)[1].sum(1).median() < 0.5
    assert len(keys(notes)[0].unique()) > 12
    keys.keys[:, 1] = keys.halves(others)[1][:16].transpose(0, 1)  # near others in the second half is not near enough
    assert keys(others[:16])[1].sum(1).median() < 0.5


def test_one_column_moves_as_in_torch_adam() -> None:
    gradients = torch.randn(5, 3, 1, generator=torch.Generator().manual_seed(0))
    values, reference = torch.ones(3, 1), torch.nn.Parameter(torch.ones(3, 1))
    ours, theirs = RowAdam(values, lr=0.1, floor=False), torch.optim.Adam([reference], lr=0.1, betas=(0.9, 0.99))
    for gradient in gradients:
        ours.step(torch.arange(3), gradient, 1.0)
        reference.grad = gradient
        theirs.step()
    torch.testing.assert_close(values, reference.detach())


def test_state_is_kept_for_touched_rows_only() -> None:
    optimizer = RowAdam(torch.zeros(100_000, 4), lr=0.1)
    for rows in ([5, 99_999], [7], [5]):
        optimizer.step(torch.tensor(rows), torch.ones(len(rows), 4), 1.0)
    assert optimizer.state.used == 3 and len(optimizer.state.slots) <= 6
    assert optimizer.state.slots[:3].tolist() == [5, 99_999, 7]
    assert optimizer.state.rows["steps"][:3, 0].tolist() == [2, 1, 1]


def test_kl_ranks_what_the_batch_reads_more_than_the_background() -> None:
    count, background = torch.tensor([4.0, 4.0, 0.0, 1.0]), torch.tensor([99.0, 0.0, 0.0, 0.0])
    scores = score_kl(count, background, torch.tensor(99.0))
    torch.testing.assert_close(scores[1], torch.tensor(4 / 9) * torch.log(torch.tensor((4 / 9) / 0.01)))
    assert scores[0] < 0 and scores[2] == 0
    assert choose_slots(count, scores, top_t=4).tolist() == [1, 3]


@pytest.mark.parametrize("change", [{"ranking": "all"}, {"ranking": "kl"}, {"optimizer": "sgd", "lr": 1.0}])
def test_rankings_and_optimisers_learn(tiny_model: Path, change: dict[str, object]) -> None:
    _, losses, moved = train_steps(tiny_model, 6, OPTIONS.model_copy(update=change))
    assert losses[-1] < losses[0] and all(moved)
    assert (max(moved) > OPTIONS.top_t) == (change == {"ranking": "all"})


def test_slots_of_the_background_are_not_chosen() -> None:
    count = torch.tensor([5.0, 5.0, 0.0, 1.0])
    frequency = torch.tensor([9.0, 0.0, 0.0, 0.0])
    scores = score_tfidf(count, frequency, torch.tensor(9.0), idf_power=1.0)
    torch.testing.assert_close(scores[1], torch.tensor(5 / 11) * torch.log(torch.tensor(10.0)))
    assert choose_slots(count, scores, top_t=4).tolist() == [1, 3]
