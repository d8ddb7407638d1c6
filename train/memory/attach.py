"""Attaches memories to chosen layers of a finished model, and fits them to background text."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast

import torch
from torch import Tensor, nn

from augment.errors import ConfigError
from train.data import Batch
from train.memory.contrast import BEFORE, WIDTH, contrast, last_tokens
from train.memory.layer import Memory, WithMemory
from train.memory.pool import Pool
from train.memory.product_key import ProductKeys
from train.memory.shard import ShardedPool
from train.methods.options import MemoryOptions
from train.model import autocast_of, decoder_layers
from train.peers import ALONE, Peers

DEFAULTS = MemoryOptions()


def attach_memories(network: nn.Module, options: MemoryOptions, seed: int, peers: Peers = ALONE) -> dict[int, Memory]:
    """Put a memory of zeros beside the MLP of each chosen layer; outputs stay bit-identical until a row moves."""
    layers = decoder_layers(network, options.mlp)
    if max(options.layers) >= len(layers):
        raise ConfigError(
            f"memory.layers names layer {max(options.layers)} of {len(layers)}",
            "name others in train.methods.memory.layers; layers count from 0",
        )
    size: int = cast(Any, network).config.hidden_size
    device = next(network.parameters()).device
    memories: dict[int, Memory] = {}
    for index in options.layers:
        shape = (options.num_keys, options.heads, options.k, options.half_key_size)
        keys = ProductKeys(size, *shape, seed=1000 * seed + index)
        shared = options.pool == "shared" and memories
        pool = memories[options.layers[0]].pool if shared else new_pool(options.num_keys**2, size, peers)
        memories[index] = Memory(keys, pool, options.gate, options.projection).to(device)
        block: Any = layers[index]
        setattr(block, options.mlp, WithMemory(getattr(block, options.mlp), memories[index]))
    return memories


def new_pool(num_slots: int, size: int, peers: Peers) -> Pool:
    """A table of zeros; a part of one where workers split it."""
    return ShardedPool(num_slots, size, peers) if peers.splits else Pool(num_slots, size)


@torch.no_grad()
def fit_background(
    network: nn.Module,
    memories: dict[int, Memory],
    passages: Sequence[Batch],
    questions: Sequence[Batch],
    notes: Sequence[Batch] = (),
    options: MemoryOptions = DEFAULTS,
) -> None:
    """Fit keys to the passages' states and place them on the notes'; then count what the background reads.

    Background is what must survive: general text, and question-answer prompts above all (their hub slots would be
    rewritten otherwise). Statistics belong to this model, these layers and this batch size. Without notes the keys stay
    random.
    """
    states = [collect_states(network, memories, batch) for batch in passages]
    for index, memory in memories.items():
        memory.keys.fit(torch.cat([s[index] for s in states]))
    if notes:
        place_keys(network, memories, notes, options)
    for batch_states in [*states, *(collect_states(network, memories, batch) for batch in questions)]:
        for index, memory in memories.items():
            memory.pool.count_background(*memory.keys(batch_states[index]))


def place_keys(network: nn.Module, memories: dict[int, Memory], notes: Sequence[Batch], options: MemoryOptions) -> None:
    """Turn the queries towards what tells the notes' things apart, and put the keys on the notes' states."""
    states, tokens = [collect_states(network, memories, batch) for batch in notes], last_tokens(notes, WIDTH + BEFORE)
    for index, memory in memories.items():
        of_layer = torch.cat([s[index] for s in states])
        directions = contrast(of_layer, tokens, options.contrasts) if options.contrasts else None
        if directions is not None:
            memory.keys.tell_apart(directions)
        memory.keys.place(of_layer, options.null_score, options.placement)


class LastMemoryReached(Exception):
    """Ends a forward of which nothing more is wanted."""


def collect_states(network: nn.Module, memories: dict[int, Memory], batch: Batch) -> dict[int, Tensor]:
    """What each memory sees of a batch's real tokens, (T, d) by layer. The forward ends at the last memory."""
    seen: dict[int, Tensor] = {}
    device = next(network.parameters()).device
    mask = batch.mask.to(device)

    def keep(index: int) -> object:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            seen[index] = inputs[0][mask]
            if len(seen) == len(memories):
                raise LastMemoryReached

        return hook

    hooks = [memory.register_forward_pre_hook(keep(index)) for index, memory in memories.items()]  # type: ignore[arg-type]
    try:
        with autocast_of(network), suppress(LastMemoryReached):
            network(input_ids=batch.ids.to(device), attention_mask=mask.long())
    finally:
        for hook in hooks:
            hook.remove()
    return seen
