"""Patches add up to the tables, come away without a rest, and are found again on disk."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from augment.errors import DatasetError
from train.data import Sample, pad
from train.memory.attach import fit_background
from train.memory.patch import (
    Entry,
    Patch,
    add_patches,
    applied_patches,
    load_patch,
    merge_patches,
    patch_name,
    read_order,
    replace_by_merged,
    save_patch,
    set_applied,
    set_scale,
    shared_slots,
    sum_rows,
    write_order,
)
from train.methods.memory import MemoryMethod
from train.methods.options import MemoryOptions
from train.model import load_model
from train.objectives import next_token_loss

A = Patch("a", {1: (torch.tensor([2, 5]), torch.randn(2, 3)), 4: (torch.tensor([0]), torch.randn(1, 3))}, {"by": "x"})
B = Patch("b", {1: (torch.tensor([5, 7]), torch.randn(2, 3))}, {})


def tables() -> dict[int, torch.Tensor]:
    return {layer: torch.randn(9, 3) for layer in (1, 4)}


def test_tables_are_the_sum_of_the_patches_and_reverting_leaves_no_bit() -> None:
    both, only_a = tables(), tables()
    add_patches(both, [A, B])
    assert torch.equal(both[1][5], A.layers[1][1][1] + B.layers[1][1][0])
    assert torch.equal(both[1].any(1).nonzero().flatten(), torch.tensor([2, 5, 7]))
    add_patches(only_a, [A])
    add_patches(both, [A])
    assert all(torch.equal(both[layer], only_a[layer]) for layer in both)
    add_patches(both, [])
    assert not any(table.any() for table in both.values())


def test_files_round_trip_with_their_metadata(tmp_path: Path) -> None:
    again = load_patch(save_patch(A, tmp_path))
    assert (again.name, again.metadata, again.num_slots) == ("a", {"by": "x"}, 3)
    assert again.norm == pytest.approx(A.norm)
    for layer, (slots, deltas) in A.layers.items():
        assert torch.equal(again.layers[layer][0], slots) and torch.equal(again.layers[layer][1], deltas)


def test_applying_and_reverting_keep_the_order(tmp_path: Path) -> None:
    for patch in (A, B):
        save_patch(patch, tmp_path)
    write_order(tmp_path, [Entry("a", True), Entry("b", True)])
    set_applied(tmp_path, "a", False)
    assert [p.name for p in applied_patches(tmp_path)] == ["b"]
    set_applied(tmp_path, "a", True)
    assert [p.name for p in applied_patches(tmp_path)] == ["a", "b"]
    with pytest.raises(DatasetError, match="no patch c"):
        set_applied(tmp_path, "c", True)
    assert read_order(tmp_path) == [Entry("a", True), Entry("b", True)]


def test_a_scaled_patch_weighs_so_much_and_can_be_put_back(tmp_path: Path) -> None:
    for patch in (A, B):
        save_patch(patch, tmp_path)
    write_order(tmp_path, [Entry("a", True), Entry("b", True)])
    before = (tmp_path / "patches.json").read_bytes()
    set_scale(tmp_path, "a", 0.5)
    assert read_order(tmp_path) == [Entry("a", True, 0.5), Entry("b", True)]
    half, whole = tables(), tables()
    add_patches(half, applied_patches(tmp_path))
    assert torch.equal(half[1][5], A.layers[1][1][1] * 0.5 + B.layers[1][1][0])
    set_applied(tmp_path, "a", False)
    set_applied(tmp_path, "a", True)
    assert read_order(tmp_path)[0].scale == 0.5
    set_scale(tmp_path, "a", 1)
    add_patches(whole, applied_patches(tmp_path))
    add_patches(half, [A, B])
    assert torch.equal(half[1], whole[1]) and (tmp_path / "patches.json").read_bytes() == before


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_a_factor_is_a_number_above_0(tmp_path: Path, factor: float) -> None:
    save_patch(A, tmp_path)
    write_order(tmp_path, [Entry("a", True)])
    with pytest.raises(DatasetError, match="cannot be scaled by"):
        set_scale(tmp_path, "a", factor)
    assert read_order(tmp_path) == [Entry("a", True)]


def test_merging_takes_scales_in(tmp_path: Path) -> None:
    for patch in (A, B):
        save_patch(patch, tmp_path)
    write_order(tmp_path, [Entry("a", True, 0.25), Entry("b", True)])
    replace_by_merged(tmp_path, ["a", "b"], "ab")
    (merged,) = applied_patches(tmp_path)
    assert read_order(tmp_path) == [Entry("ab", True)]
    assert torch.allclose(merged.layers[4][1], A.layers[4][1] * 0.25)


@pytest.mark.parametrize("content", [b"", b"not safetensors", None])
def test_a_missing_or_damaged_file_is_one_clear_error(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(DatasetError, match=r"x\.safetensors"):
        load_patch(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    "layers",
    [
        {2: (torch.tensor([1]), torch.ones(1, 3))},
        {1: (torch.tensor([9]), torch.ones(1, 3))},
        {1: (torch.tensor([1]), torch.ones(1, 4))},
    ],
)
def test_a_patch_of_another_memory_is_refused(layers: dict[int, tuple[torch.Tensor, torch.Tensor]]) -> None:
    with pytest.raises(DatasetError, match="does not fit"):
        add_patches(tables(), [Patch("c", layers, {})])


def test_shared_slots_and_merging() -> None:
    assert {layer: slots.tolist() for layer, slots in shared_slots(A, B).items()} == {1: [5]}
    merged, both, one = merge_patches("m", [A, B]), tables(), tables()
    add_patches(both, [A, B])
    add_patches(one, [merged])
    assert all(torch.equal(both[layer], one[layer]) for layer in both)


def test_merging_replaces_patches_in_the_folder(tmp_path: Path) -> None:
    for patch in (A, B, replace(A, name="c")):
        save_patch(patch, tmp_path)
    write_order(tmp_path, [Entry("a", True), Entry("b", True), Entry("c", False)])
    with pytest.raises(DatasetError, match="some of these patches are applied"):
        replace_by_merged(tmp_path, ["a", "c"], "m")
    replace_by_merged(tmp_path, ["b", "a"], "m")
    assert read_order(tmp_path) == [Entry("m", True), Entry("c", False)]
    assert {path.name for path in tmp_path.iterdir()} == {"m.safetensors", "c.safetensors", "patches.json"}


def test_forgetting_one_document_leaves_the_other(tiny_model: Path, tmp_path: Path) -> None:
    options = MemoryOptions(layers=[1, 2], num_keys=64, heads=2, k=4, half_key_size=8, top_t=400, lr=0.1)
    draw = torch.Generator().manual_seed(0)
    texts = {name: torch.randint(3, 40000, (4, 8), generator=draw).tolist() for name in ("one", "two")}
    batches = [pad([Sample(ids, document=name) for ids in rows]) for name, rows in texts.items()]
    trained = MemoryMethod(load_model(str(tiny_model), bf16=False).network, options, seed=0)
    network = trained.network

    def losses() -> list[float]:
        with torch.no_grad():
            return [next_token_loss(network, batch).item() for batch in batches]

    fit_background(network, trained.memories, [pad([Sample(list(range(3, 60)))])], [pad([Sample([9, 8, 7])])])
    base = losses()
    for _ in range(60):
        for batch in batches:
            trained.begin()
            next_token_loss(network, batch).backward()  # type: ignore[no-untyped-call]
            trained.update([batch], 1.0)
    trained.save(tmp_path)
    learned = [before - after for before, after in zip(base, losses(), strict=True)]
    assert min(learned) > 0.3  # nats; this random model's logits allow no more than 0.6
    set_applied(tmp_path / "patches", patch_name("two"), False)
    trained.load(tmp_path)
    kept, forgotten = (before - after for before, after in zip(base, losses(), strict=True))
    assert kept > 0.7 * learned[0] and forgotten < 0.5 * learned[1]
    set_applied(tmp_path / "patches", patch_name("one"), False)
    trained.load(tmp_path)
    assert losses() == base


def test_one_patch_for_a_whole_run_is_what_its_tables_hold(tiny_model: Path, tmp_path: Path) -> None:
    options = MemoryOptions(layers=[1, 2], num_keys=16, heads=2, k=4, half_key_size=8, patches="run", lr=0.1)
    trained = MemoryMethod(load_model(str(tiny_model), bf16=False).network, options, seed=0)
    batches = [pad([Sample([5 + i, 9, 30 + i, 7], document=f"{i}")]) for i in range(3)]
    fit_background(trained.network, trained.memories, [pad([Sample(list(range(3, 60)))])], [pad([Sample([9, 8, 7])])])
    for batch in batches:
        trained.begin()
        next_token_loss(trained.network, batch).backward()  # type: ignore[no-untyped-call]
        trained.update([batch], 1.0)
    tables = {layer: memory.values.clone() for layer, memory in trained.memories.items()}
    assert all(table.any() for table in tables.values()) and not trained.ledgers
    trained.save(tmp_path)
    assert [entry.applied for entry in read_order(tmp_path / "patches")] == [True]
    for apply in (False, True):
        set_applied(tmp_path / "patches", read_order(tmp_path / "patches")[0].name, apply)
        trained.load(tmp_path)
        for layer, memory in trained.memories.items():
            assert torch.equal(memory.values, tables[layer] if apply else torch.zeros_like(tables[layer]))


def test_sums_add_in_order_and_names_of_files_are_safe_and_differ() -> None:
    slots, deltas = sum_rows(
        [(torch.tensor([3, 1]), torch.tensor([[1.0], [2.0]])), (torch.tensor([1]), torch.ones(1, 1))]
    )
    assert slots.tolist() == [1, 3] and deltas.flatten().tolist() == [3.0, 1.0]
    names = [patch_name(d) for d in ("../../etc/passwd", "a/b.md", "a-b.md", "", "\u202e", "x" * 300)]
    assert len(set(names)) == 6
    assert all(name == Path(name).name and not name.startswith(".") and len(name) < 80 for name in names)
