"""The loss is the mean cross-entropy of the tokens to learn, whatever else stands in the batch."""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

from train.config import Data, Train
from train.data import Corpus, Sample, pad
from train.loop import train_method
from train.memory.attach import fit_background
from train.methods.memory import MemoryMethod
from train.methods.options import MemoryOptions, Methods
from train.model import load_model
from train.objectives import next_token_loss


def test_the_loss_is_that_of_the_whole_logits_at_the_tokens_to_learn(tiny_model: Path) -> None:
    network = load_model(str(tiny_model), bf16=False).network
    batch = pad([Sample([5, 6, 7, 8], [True, False, True, True]), Sample([9, 5, 3]), Sample([4, 4], [True, False])])
    logits = network(input_ids=batch.ids, attention_mask=batch.mask.long()).logits
    pairs = [(0, 2), (0, 3), (1, 1), (1, 2)]
    expected = torch.stack([F.cross_entropy(logits[i, t - 1], batch.ids[i, t]) for i, t in pairs]).mean()
    torch.testing.assert_close(next_token_loss(network, batch), expected)
    torch.testing.assert_close(network(input_ids=batch.ids, attention_mask=batch.mask.long()).logits, logits)


def test_cached_activations_give_the_same_training(tiny_model: Path, tmp_path: Path) -> None:
    draw = torch.Generator().manual_seed(0)
    notes = [Sample(torch.randint(3, 900, (5 + i % 4,), generator=draw).tolist()) for i in range(12)]
    corpus = Corpus(notes=notes, replay=[], documents=[])
    data = Data(passages="", questions="", replay_share=0, tokens_per_batch=32)
    shape = {"layers": [2], "num_keys": 16, "heads": 2, "k": 4, "half_key_size": 8}
    losses = []
    for cached in (False, True):
        settings = Train(methods=Methods(), data=data, epochs=4, batches_per_step=2, cache_activations=cached)
        network = load_model(str(tiny_model), bf16=False).network
        method = MemoryMethod(network, MemoryOptions.model_validate(shape), seed=0)
        fit_background(network, method.memories, [pad(notes)], [])
        log = tmp_path / f"{cached}.jsonl"
        train_method(network, method, corpus, settings, 0, log, lambda *_: None)
        losses.append([json.loads(line)["loss"] for line in log.read_text().splitlines()])
    torch.testing.assert_close(torch.tensor(losses[0]), torch.tensor(losses[1]))
    assert losses[1][-1] < losses[1][0]
