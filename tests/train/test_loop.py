"""The loss is the mean cross-entropy of the tokens to learn, whatever else stands in the batch."""

from pathlib import Path

import torch
import torch.nn.functional as F

from train.data import Sample, pad
from train.loop import next_token_loss
from train.model import load_model


def test_the_loss_is_that_of_the_whole_logits_at_the_tokens_to_learn(tiny_model: Path) -> None:
    network = load_model(str(tiny_model), bf16=False).network
    batch = pad([Sample([5, 6, 7, 8], [True, False, True, True]), Sample([9, 5, 3]), Sample([4, 4], [True, False])])
    logits = network(input_ids=batch.ids, attention_mask=batch.mask.long()).logits
    pairs = [(0, 2), (0, 3), (1, 1), (1, 2)]
    expected = torch.stack([F.cross_entropy(logits[i, t - 1], batch.ids[i, t]) for i, t in pairs]).mean()
    torch.testing.assert_close(next_token_loss(network, batch), expected)
    torch.testing.assert_close(network(input_ids=batch.ids, attention_mask=batch.mask.long()).logits, logits)
