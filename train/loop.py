"""Trains one method on the notes: one visible loop for all of them."""

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from augment.errors import RunError
from train.activations import ActivationCache
from train.config import Train
from train.data import Batch, Corpus, epoch_batches
from train.methods.base import Method
from train.model import autocast_of


@dataclass(frozen=True, slots=True)
class Trained:
    """How a run went: real tokens seen (replay included), wall seconds, mean loss of the last epoch."""

    tokens: int
    seconds: float
    loss: float


def next_token_loss(network: nn.Module, batch: Batch) -> Tensor:
    """Mean cross-entropy in nats over the tokens that the batch says to learn; other logits are never computed."""
    device = next(network.parameters()).device
    ids, mask, learn = batch.ids.to(device), batch.mask.to(device), batch.learn.to(device)
    with autocast_of(network), logits_before(network, learn):
        logits = network(input_ids=ids, attention_mask=mask.long(), use_cache=False).logits
    return F.cross_entropy(logits.flatten(0, 1).float(), ids[learn])


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


def learning_rate_scale(step: int, num_steps: int, warmup: int) -> float:
    """Linear warm-up to 1, then half a cosine down to 0.1."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.55 + 0.45 * math.cos(math.pi * (step - warmup) / max(1, num_steps - warmup))


def train_method(
    network: nn.Module,
    method: Method,
    corpus: Corpus,
    options: Train,
    seed: int,
    log: Path,
    show: Callable[[int, int, float, float], None],
) -> Trained:
    """Train for `epochs` passes; one JSON line per step goes to `log`.

    `show(step, num_steps, loss, tokens_per_sec)` follows along. Raises RunError at a loss that is not finite.
    """
    epochs = [epoch_steps(corpus, options, seed, epoch) for epoch in range(options.epochs)]
    num_steps, step, tokens, last = sum(map(len, epochs)), 0, 0, 0.0
    frozen = method.lowest_blocks()
    cache = ActivationCache(frozen) if options.cache_activations and frozen else None
    started = time.monotonic()
    with log.open("w", encoding="utf-8") as lines:
        for epoch, steps in enumerate(epochs):
            losses = []
            for batches in steps:
                scale = learning_rate_scale(step, num_steps, options.warmup_steps)
                losses.append(take_step(network, method, batches, scale, step, cache))
                step, tokens = step + 1, tokens + sum(batch.num_tokens() for batch in batches)
                seconds = time.monotonic() - started
                lines.write(json.dumps({"step": step, "epoch": epoch, "loss": losses[-1], "tokens": tokens}) + "\n")
                show(step, num_steps, losses[-1], tokens / seconds)
            last = sum(losses) / len(losses)
    return Trained(tokens, time.monotonic() - started, last)


def epoch_steps(corpus: Corpus, options: Train, seed: int, epoch: int) -> list[list[Batch]]:
    """One pass over the corpus as the batches of each step."""
    batches, size = list(epoch_batches(corpus, options.data, seed, epoch)), options.batches_per_step
    return [batches[at : at + size] for at in range(0, len(batches), size)]


def take_step(
    network: nn.Module,
    method: Method,
    batches: Sequence[Batch],
    scale: float,
    step: int,
    cache: ActivationCache | None = None,
) -> float:
    """Forward and backward of each batch, one update; returns the mean loss over all their tokens to learn."""
    num_learned = [int(batch.learn.sum()) for batch in batches]
    total = 0.0
    method.begin()
    for batch, learned in zip(batches, num_learned, strict=True):
        with cache.used(batch) if cache else nullcontext():
            loss = next_token_loss(network, batch) * (learned / sum(num_learned))
        if not torch.isfinite(loss):
            raise RunError(f"the loss is {loss.item()} at step {step}", "lower the method's lr")
        loss.backward()
        total += loss.item()
    method.update(batches, scale)
    return total
