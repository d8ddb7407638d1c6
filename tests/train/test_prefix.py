"""A prefix on a model that holds its linear layers in bf16, as training loads it."""

from pathlib import Path

import torch

from train.data import Sample, pad
from train.loop import take_step
from train.methods.options import PrefixOptions
from train.methods.prefix import PrefixMethod
from train.model import load_model


def test_a_prefix_begins_and_trains_on_a_network_held_in_bf16(tiny_model: Path) -> None:
    method = PrefixMethod(load_model(str(tiny_model), bf16=True).network, PrefixOptions(num_tokens=4, lr=0.05), seed=0)
    sample = Sample(list(range(5, 25)))
    method.fit([sample])
    losses = [take_step(method.network, method, [pad([sample])], 1.0, step) for step in range(12)]
    assert torch.isfinite(torch.tensor(losses)).all() and losses[-1] < losses[0]
