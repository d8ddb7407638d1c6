"""Losses: next-token cross-entropy, and forward KL to a teacher's likeliest tokens and the mass of the rest.

The KL is that of context distillation (Snell et al. 2209.15189; Askell et al. 2112.00861) on a teacher's top k with one
bucket for all other tokens: sum_k p log(p / q) + p' log(p' / q'), p' = 1 - sum_k p, q' = 1 - sum_k q. It is the KL of
the two distributions over k + 1 outcomes, so it is never more than the full one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.data import Batch, Targets
from train.model import autocast_of

TINY = 1e-7


def loss_of(network: nn.Module, batch: Batch) -> Tensor:
    """The batch's mean loss in nats a token: against its targets where it has some, else against its own tokens."""
    logits, ids = learned_logits(network, batch)
    if batch.targets is None:
        return F.cross_entropy(logits, ids)
    return distill_loss(logits, batch.targets.to(logits.device))


def next_token_loss(network: nn.Module, batch: Batch) -> Tensor:
    """Mean cross-entropy in nats over the tokens that the batch says to learn."""
    logits, ids = learned_logits(network, batch)
    return F.cross_entropy(logits, ids)


def learned_logits(network: nn.Module, batch: Batch, beginning: Any = None) -> tuple[Tensor, Tensor]:
    """Logits (K, V) that predict the K tokens to learn, and these tokens (K,); other logits are never computed.

    `beginning` holds the keys and values of what stands before each row, if something does.
    """
    device = next(network.parameters()).device
    ids, mask, learn = batch.ids.to(device), batch.mask.to(device), batch.learn.to(device)
    before = mask.new_ones(len(mask), beginning.get_seq_length() if beginning else 0)
    arguments = {"past_key_values": beginning} if beginning else {"use_cache": False}
    with autocast_of(network), logits_before(network, learn):
        seen = torch.cat([before, mask], dim=1).long()
        logits = network(input_ids=ids, attention_mask=seen, **arguments).logits
    return logits.flatten(0, 1).float(), ids[learn]


@contextmanager
def logits_before(network: Any, chosen: Tensor) -> Iterator[None]:
    """Within it the network computes the logits (1, K, V) that predict the K chosen tokens of (B, L), and no others."""
    before = chosen.roll(-1, dims=1)

    def keep(head: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (inputs[0][before][None], *inputs[1:])

    hook = network.get_output_embeddings().register_forward_pre_hook(keep)
    try:
        yield
    finally:
        hook.remove()


def distill_loss(logits: Tensor, targets: Targets) -> Tensor:
    """Mean forward KL in nats over K tokens: logits (K, V) of the student, the teacher's k likeliest at each."""
    log_q = torch.log_softmax(logits, dim=-1).gather(1, targets.ids)
    p = targets.logprobs.exp()  # what stands for no token has log-probability -inf and counts for nothing
    head = torch.where(p > 0, p * (targets.logprobs - log_q), 0.0).sum(1)
    q = torch.where(p > 0, log_q.exp(), 0.0)
    rest_p, rest_q = (1 - p.sum(1)).clamp_min(0.0), (1 - q.sum(1)).clamp_min(TINY)
    rest = torch.where(rest_p > TINY, rest_p * (rest_p.clamp_min(TINY).log() - rest_q.log()), 0.0)
    return (head + rest).mean()
