"""Memories attach to tiny random models of several families without changing a bit, and learn there."""

from pathlib import Path

import pytest
import torch
import transformers
from torch import nn

from augment.errors import ModelError
from train.activations import ActivationCache
from train.data import Sample, pad
from train.memory.attach import fit_background
from train.methods.memory import MemoryMethod
from train.methods.options import MemoryOptions
from train.objectives import next_token_loss

SMALL = {"vocab_size": 97, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2}
LLAMA = SMALL | {"intermediate_size": 48, "num_key_value_heads": 1, "head_dim": 12}
FAMILIES: dict[str, transformers.PretrainedConfig] = {
    "llama": transformers.LlamaConfig(**LLAMA),
    "qwen2": transformers.Qwen2Config(**LLAMA),
    "qwen3": transformers.Qwen3Config(**LLAMA),
    "gemma2": transformers.Gemma2Config(**LLAMA),
    "gemma3": transformers.Gemma3TextConfig(**LLAMA),
    "mistral": transformers.MistralConfig(**LLAMA),
    "gpt2": transformers.GPT2Config(vocab_size=97, n_embd=24, n_layer=3, n_head=2),
    "pythia": transformers.GPTNeoXConfig(**SMALL, intermediate_size=48),
    "bloom": transformers.BloomConfig(vocab_size=97, hidden_size=24, n_layer=3, n_head=2),
}
OPTIONS = MemoryOptions(layers=[0, 2], num_keys=16, heads=2, k=4, half_key_size=8, top_t=100)


def make_network(name: str) -> nn.Module:
    torch.manual_seed(0)
    network = transformers.AutoModelForCausalLM.from_config(FAMILIES[name])
    return network.eval().requires_grad_(False)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_family_keeps_every_bit_until_it_learns(name: str) -> None:
    network = make_network(name)
    batch = pad([Sample([5, 6, 7, 8, 9, 10]), Sample([11, 12, 13])])
    inputs = {"input_ids": batch.ids, "attention_mask": batch.mask.long()}
    before = network(**inputs).logits
    method = MemoryMethod(network, OPTIONS, seed=0)
    assert torch.equal(before, network(**inputs).logits)
    fit_background(network, method.memories, [pad([Sample(list(range(1, 60)))])], [pad([Sample([20, 21])])])
    losses = []
    for _ in range(12):
        method.begin()
        loss = next_token_loss(network, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        method.update([batch], 1.0)
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.05


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_cached_states_give_the_same_loss_without_the_blocks_below(name: str) -> None:
    network = make_network(name)
    method = MemoryMethod(network, OPTIONS.model_copy(update={"layers": [2]}), seed=0)
    method.memories[2].values.normal_(std=0.1)
    sequences = [Sample([5, 6, 7, 8, 9, 10]), Sample([11, 12, 13]), Sample([14, 15, 16, 17])]
    whole = pad(sequences)
    expected = next_token_loss(network, whole)
    cache = ActivationCache(method.lowest_blocks())
    ran: list[object] = []
    for sequence in sequences:
        with cache.used(pad([sequence])):
            next_token_loss(network, pad([sequence]))
    cache.below[0].mlp.register_forward_hook(lambda *_: ran.append(1))
    with cache.used(whole):
        torch.testing.assert_close(next_token_loss(network, whole), expected)
    assert not ran
    torch.testing.assert_close(next_token_loss(network, whole), expected)
    assert ran


@pytest.mark.parametrize("size", [576, 896, 1536])
def test_any_width_works(size: int, tmp_path: Path) -> None:
    config = transformers.LlamaConfig(
        **(LLAMA | {"hidden_size": size, "intermediate_size": 32, "num_hidden_layers": 1})
    )
    network = transformers.AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)
    MemoryMethod(network, OPTIONS.model_copy(update={"layers": [0]}), seed=0)
    assert network(input_ids=torch.tensor([[1, 2, 3]])).logits.shape == (1, 3, 97)


def test_an_unknown_architecture_names_its_modules() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mixer, self.feed_forward = nn.Linear(2, 2), nn.Linear(2, 2)

    network = nn.Module()
    network.blocks = nn.ModuleList([Block(), Block()])
    with pytest.raises(ModelError, match=r"set memory\.mlp to one of: mixer, feed_forward"):
        MemoryMethod(network, OPTIONS, seed=0)
