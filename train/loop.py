"""Trains one method on the notes: one visible loop for all of them."""

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import torch
from torch import Tensor, nn

from augment.errors import DivergedError, RunError
from train.activations import ActivationCache, States
from train.allocator import give_back_after
from train.config import Train
from train.data import Batch, Corpus, epoch_batches
from train.methods.base import Method
from train.objectives import loss_of
from train.out_of_memory import naming_what_to_lower
from train.resume import Keeper, Position

METRICS = "metrics.jsonl"  # a run's log: one line a step
WEIGHTS_TO_LOWER = "train less at once: lora or prefix for full, lower num_keys or top_t for memory, or train.workers"
AFTER_DIVERGING = "lower the method's lr; the last good state stays in the run's `states`, delete that to start anew"
Show = Callable[[int, int, float, float], None]  # step, number of steps, loss, tokens a second
# In this epoch (from 1), after this step, with which the epoch ends or not: end here? None: nothing was asked.
IsEnough = Callable[[int, int, bool], bool | None]


@dataclass(frozen=True, slots=True)
class Trained:
    """How a run went: real tokens seen (replay included), wall seconds, mean loss of the last epoch."""

    tokens: int
    seconds: float
    loss: float


def learning_rate_scale(step: int, num_steps: int, warmup: int, schedule: str = "cosine") -> float:
    """Linear warm-up to 1, then half a cosine or a line down to 0.1, or 1 all along."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, num_steps - warmup)
    return {"cosine": 0.55 + 0.45 * math.cos(math.pi * done), "linear": 1 - 0.9 * done, "constant": 1.0}[schedule]


def train_method(
    network: nn.Module,
    method: Method,
    corpus: Corpus,
    options: Train,
    seed: int,
    log: Path,
    show: Show,
    *,
    mix: Mapping[str, float] | None = None,
    keeper: Keeper | None = None,
    is_enough: IsEnough | None = None,
    states: States | None = None,
) -> Trained:
    """Train for `epochs` passes; one JSON line per step goes to `log`.

    `keeper` saves the run's state and takes it up again, `is_enough` may end the run after a step, `states` are
    activations that runs share. Raises RunError at a loss that is not finite, or when memory runs out.
    """
    epochs = [epoch_steps(corpus, options, seed, epoch, mix) for epoch in range(options.epochs)]
    num_steps = sum(map(len, epochs))
    if not num_steps:
        raise RunError("there is nothing to train on", "see the mix's strategies against `augment stats`")
    if options.watch and (step := max(options.watch.at_steps, default=0)) > num_steps:
        raise RunError(f"train.watch.at_steps names step {step}, and there are {num_steps}", "leave it out")
    cache = cache_for(method, options, states)
    position = keeper.restore(method) if keeper else Position()
    started, first = time.monotonic() - position.seconds, position.step
    with open_log(log if method.peers.is_main else Path(os.devnull), first) as lines:
        for epoch, batches, ends_epoch in walk(epochs, first):
            scale = learning_rate_scale(position.step, num_steps, options.warmup_steps, options.schedule)
            with keeper.doubting(position.step) if keeper else nullcontext():
                loss = take_step(network, method, batches, scale, position.step, cache)
            position.step, position.tokens = position.step + 1, position.tokens + sum(b.num_tokens() for b in batches)
            position.losses, position.seconds = [*position.losses, loss], time.monotonic() - started
            facts = {"step": position.step, "num_steps": num_steps, "epoch": epoch, "loss": loss, "scale": scale}
            write_line(lines, facts | {"tokens": position.tokens, "seconds": round(position.seconds, 3)})
            show(position.step, num_steps, loss, position.tokens / position.seconds)
            position.last_loss = sum(position.losses) / len(position.losses)
            if ends_epoch:
                position.losses = []
            if keeper:
                keeper.after_step(method, position)
            give_back_after(position.step)
            enough = is_enough(epoch + 1, position.step, ends_epoch) if is_enough else None
            if enough is not None and method.peers.agree(enough):
                break
    return Trained(position.tokens, time.monotonic() - started, position.last_loss)


def walk(epochs: Sequence[list[list[Batch]]], first: int) -> Iterator[tuple[int, list[Batch], bool]]:
    """Epoch, batches and whether the epoch ends with them, of each step from the `first` on."""
    steps = [(epoch, steps[i], i + 1 == len(steps)) for epoch, steps in enumerate(epochs) for i in range(len(steps))]
    yield from steps[first:]


def open_log(log: Path, num_steps: int) -> TextIO:
    """The log to write on, with the lines of the steps that a taken-up run has behind it."""
    kept = log.read_text(encoding="utf-8").splitlines(keepends=True)[:num_steps] if num_steps and log.exists() else []
    log.write_text("".join(kept), encoding="utf-8")
    return log.open("a", encoding="utf-8")


def write_line(lines: TextIO, facts: dict[str, float]) -> None:
    """Add a JSON line at once."""
    lines.write(json.dumps(facts) + "\n")
    lines.flush()


def cache_for(method: Method, options: Train, states: States | None) -> ActivationCache | None:
    """Activations below the first block that trains, where they are to be kept."""
    blocks = method.lowest_blocks()
    return ActivationCache(blocks, states) if options.cache_activations and blocks else None


def epoch_steps(
    corpus: Corpus, options: Train, seed: int, epoch: int, mix: Mapping[str, float] | None = None
) -> list[list[Batch]]:
    """One pass over the corpus as the batches of each step."""
    batches, size = list(epoch_batches(corpus, options.data, seed, epoch, mix)), options.batches_per_step
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
    num_learned = sum(int(batch.learn.sum()) for batch in batches)
    total = torch.zeros((), dtype=torch.float64, device=next(network.parameters()).device)
    method.begin()
    for number, (batch, counts) in enumerate(method.peers.own(batches)):
        rows, length = batch.ids.shape
        with naming_what_to_lower(f"at step {step}, on a batch of {rows} x {length} tokens", what_to_lower(rows)):
            with cache.used(batch) if cache else nullcontext():
                loss = loss_of(network, batch) * (counts * int(batch.learn.sum()) / num_learned)
            check_finite(loss, f"step {step} on batch {number + 1} of {len(batches)}, {describe_batch(batch)}")
            loss.backward()
        total += loss.item()
    try:
        with naming_what_to_lower(f"at step {step}, where the optimiser moves the weights", WEIGHTS_TO_LOWER):
            method.update(batches, scale)
    except DivergedError as error:
        about = "; ".join(map(describe_batch, batches))
        raise DivergedError(f"{error.what} at step {step}: {about}", AFTER_DIVERGING) from None
    method.peers.add_up([total])
    return total.item()


def what_to_lower(num_rows: int) -> str:
    """The setting that makes a batch smaller: one of a single sequence can only be cut shorter."""
    if num_rows == 1:
        return "lower train.data.max_length"
    return "lower train.data.tokens_per_batch and raise train.batches_per_step"


def describe_batch(batch: Batch) -> str:
    """Which one it is, for a person who looks for it in the notes."""
    about = f"about {batch.document}" if batch.document else "of replay or several documents"
    return f"{len(batch.ids)} sequences {about}"


def check_finite(loss: Tensor, place: str) -> None:
    """Raises DivergedError when the loss is no number: nothing of the step is written yet."""
    if not torch.isfinite(loss):
        raise DivergedError(f"the loss is {loss.item()} at {place}", AFTER_DIVERGING)
