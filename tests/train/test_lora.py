"""A saved LoRA is a peft adapter: ours and peft's own loading give the same model."""

from pathlib import Path

import pytest
import torch
from peft import PeftModel

from augment.errors import ConfigError
from train.data import Sample, pad
from train.methods.lora import LoraMethod
from train.methods.options import LoraOptions
from train.model import load_model
from train.objectives import next_token_loss


def test_a_saved_adapter_opens_in_peft_and_here(tiny_model: Path, tmp_path: Path) -> None:
    trained = load_model(str(tiny_model), bf16=False).network
    method, batch = LoraMethod(trained, LoraOptions(rank=2, lr=0.01), seed=0), pad([Sample([5, 6, 7, 8])])
    for _ in range(3):
        method.begin()
        next_token_loss(trained, batch).backward()  # type: ignore[no-untyped-call]
        method.update([batch], 1.0)
    method.save(tmp_path)
    ours = load_model(str(tiny_model), bf16=False).network
    before = ours(input_ids=batch.ids).logits
    LoraMethod(ours, LoraOptions(rank=2), seed=1).load(tmp_path)
    theirs = PeftModel.from_pretrained(load_model(str(tiny_model), bf16=False).network, str(tmp_path))
    expected = trained(input_ids=batch.ids).logits
    assert not torch.equal(expected, before)
    torch.testing.assert_close(ours(input_ids=batch.ids).logits, expected)
    torch.testing.assert_close(theirs(input_ids=batch.ids).logits, expected)


@pytest.mark.parametrize("targets", ["nope", ["nope"]])
def test_targets_that_are_not_there_are_one_line_with_those_there_are(
    tiny_model: Path, targets: str | list[str]
) -> None:
    with pytest.raises(
        ConfigError, match=r"lora\.targets = .*nope.*; there are all-linear, down_proj, gate_proj, k_proj"
    ):
        LoraMethod(load_model(str(tiny_model)).network, LoraOptions(targets=targets), seed=0)
