"""Full finetuning moves weights as PyTorch's AdamW does, keeps tied ones tied, and saves a model folder."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from train.data import Sample, pad
from train.loop import take_step
from train.methods.full import FullMethod
from train.methods.options import FullOptions
from train.model import load_model
from train.objectives import next_token_loss

BATCH = pad([Sample([5, 6, 7, 8]), Sample([9, 10, 11])])


def test_steps_are_those_of_adamw_on_the_plain_model(tiny_model: Path) -> None:
    ours: Any = load_model(str(tiny_model), bf16=False).network
    plain: Any = load_model(str(tiny_model), bf16=False).network.requires_grad_(True)
    method, optimizer = (
        FullMethod(ours, FullOptions(lr=1e-2), seed=0),
        torch.optim.AdamW(plain.parameters(), lr=1e-2, weight_decay=0.0),
    )
    for step in range(3):
        take_step(ours, method, [BATCH], 1.0, step)
        optimizer.zero_grad()
        next_token_loss(plain, BATCH).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        optimizer.step()
    torch.testing.assert_close(ours(input_ids=BATCH.ids).logits, plain(input_ids=BATCH.ids).logits)


@pytest.mark.parametrize("bf16", [False, True])
def test_what_was_trained_opens_in_transformers_and_here(tiny_model: Path, tmp_path: Path, bf16: bool) -> None:
    trained: Any = load_model(str(tiny_model), bf16).network
    method = FullMethod(trained, FullOptions(lr=1e-2), seed=0)
    losses = [take_step(trained, method, [BATCH], 1.0, step) for step in range(5)]
    assert losses[-1] < losses[0]
    method.save(tmp_path)
    again: Any = load_model(str(tiny_model), bf16).network
    FullMethod(again, FullOptions(), seed=0).load(tmp_path)
    for name, weight in trained.named_parameters():
        assert torch.equal(weight, again.get_parameter(name)), name
    opened = AutoModelForCausalLM.from_pretrained(tmp_path)
    for name, master in method.masters.items():
        torch.testing.assert_close(opened.get_parameter(name), master)


def test_a_tied_output_layer_stays_tied(tiny_model: Path) -> None:
    network: Any = load_model(str(tiny_model), bf16=True).network
    assert network.config.tie_word_embeddings
    method = FullMethod(network, FullOptions(lr=1e-2), seed=0)
    before = network.get_input_embeddings().weight.clone()
    take_step(network, method, [BATCH], 1.0, 0)
    after = network.get_input_embeddings().weight
    assert not torch.equal(after, before)
    assert torch.equal(network.get_output_embeddings().weight, after.bfloat16())
