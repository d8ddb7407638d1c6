"""Gate, projection and a pool shared by layers: no bit changes at attach, they learn, and come back from a file."""

from pathlib import Path

import pytest
import torch
from torch import nn

from train.data import Batch, Sample, pad
from train.loop import take_step
from train.memory.attach import fit_background
from train.memory.patch import read_order, set_applied
from train.methods.memory import PATCHES, MemoryMethod
from train.methods.options import MemoryOptions
from train.model import load_model

PLAIN = MemoryOptions(layers=[1, 2], num_keys=16, heads=2, k=4, half_key_size=8, top_t=50)
VARIANTS = {
    "gate": {"gate": True},
    "projection": {"projection": True},
    "shared": {"pool": "shared"},
    "all": {"gate": True, "projection": True, "pool": "shared"},
}


def logits_of(network: nn.Module, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = network(input_ids=batch.ids, attention_mask=batch.mask.long()).logits
    return logits


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_a_variant_learns_and_comes_back(name: str, tiny_model: Path, tmp_path: Path) -> None:
    options = PLAIN.model_copy(update=VARIANTS[name])
    network = load_model(str(tiny_model), bf16=False).network
    batch = pad([Sample([50 + i, 60, 70, 80 + i, 90 + 2 * i]) for i in range(4)])
    base = logits_of(network, batch)
    method = MemoryMethod(network, options, seed=0)
    assert torch.equal(base, logits_of(network, batch))
    fit_background(network, method.memories, [pad([Sample(list(range(3, 60)))])], [pad([Sample([9, 8, 7])])])
    losses = [take_step(network, method, [batch], 1.0, step) for step in range(20)]
    assert losses[-1] < losses[0]
    assert all(
        not torch.equal(p, q)
        for p, q in zip(method.dense_tensors().values(), untrained(tiny_model, options), strict=True)
    )
    method.save(tmp_path)
    again = load_model(str(tiny_model), bf16=False).network
    MemoryMethod.from_pretrained(again, tmp_path)
    torch.testing.assert_close(logits_of(again, batch), logits_of(network, batch), atol=1e-4, rtol=1e-4)
    for entry in read_order(tmp_path / PATCHES):
        set_applied(tmp_path / PATCHES, entry.name, False)
    reverted = load_model(str(tiny_model), bf16=False).network
    MemoryMethod.from_pretrained(reverted, tmp_path)
    assert torch.equal(base, logits_of(reverted, batch))


def untrained(model: Path, options: MemoryOptions) -> list[nn.Parameter]:
    return list(MemoryMethod(load_model(str(model), bf16=False).network, options, seed=0).dense_tensors().values())


def test_a_shared_pool_is_one_table_with_one_patch_of_rows(tiny_model: Path) -> None:
    network = load_model(str(tiny_model), bf16=False).network
    method = MemoryMethod(network, PLAIN.model_copy(update={"pool": "shared"}), seed=0)
    assert method.memories[1].values is method.memories[2].values
    assert method.num_trainable() == 16 * 16 * method.memories[1].values.shape[1]
    fit_background(network, method.memories, [pad([Sample([5, 6, 7])])], [])
    assert method.memories[1].pool.num_background == 2  # one batch, read at two layers
    take_step(network, method, [pad([Sample([50, 60, 70, 80])])], 1.0, 0)
    assert list(method.document_patches()[0].layers) == [1]
