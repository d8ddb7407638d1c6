"""Says which rows of a run's memories a prompt read, how strongly, and which documents' patches wrote them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from train.checkpoint import CHECKPOINT
from train.memory.layer import Access, Memory
from train.memory.patch import Patch, applied_patches
from train.methods.memory import PATCHES
from train.model import Loaded, autocast_of

MAX_SLOTS, MAX_PATCHES = 12, 8


@dataclass(frozen=True, slots=True)
class SlotRead:
    """One row that was read: where it is, the token at which it was loudest, its strength, and who wrote it.

    The strength is the norm of what the row added, summed over the prompt's tokens.
    """

    layer: int
    slot: int
    token: str
    strength: float
    documents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PatchRead:
    """How strongly what one document wrote was read, and its share of all that was."""

    document: str
    strength: float
    share: float


@dataclass(frozen=True, slots=True)
class Reads:
    """The strongest rows and patches of a prompt; none for a method without a memory."""

    slots: tuple[SlotRead, ...] = ()
    patches: tuple[PatchRead, ...] = ()


def list_memories(network: Any) -> dict[int, Memory]:
    """The memories by the index of their block."""
    found = {}
    for name, module in network.named_modules():
        if isinstance(module, Memory):
            found[next(int(part) for part in name.split(".") if part.isdigit())] = module
    return found


def read_patches(run: Path) -> list[Patch]:
    """The patches that are applied in a run; none for a method without a memory."""
    folder = run / CHECKPOINT / PATCHES
    return list(applied_patches(folder)) if folder.is_dir() else []


@torch.no_grad()
def trace_reads(loaded: Loaded, patches: Sequence[Patch], before: str, prompt: str) -> Reads:
    """Read `before` and `prompt` once, and look at what the prompt's own tokens read."""
    memories, tokenizer = list_memories(loaded.network), loaded.tokenizer
    ids = list(tokenizer(before + prompt).input_ids)
    start = min(len(tokenizer(before).input_ids), len(ids) - 1) if before else 0
    tokens = [tokenizer.decode([i]).strip() for i in ids[start:]]
    found: list[SlotRead] = []
    strengths = [0.0] * len(patches)
    for layer, access in record(loaded, memories, ids).items():
        slots, weights = access.slots[start:], access.weights[start:].abs()
        home = home_of(layer, memories)
        found += list_slots(layer, memories[layer], slots, weights, tokens, writers_of(home, patches))
        for i, patch in enumerate(patches):
            strengths[i] += read_strength(patch, home, slots, weights)
    best = sorted(found, key=lambda read: -read.strength)[:MAX_SLOTS]
    return Reads(tuple(best), share_out(patches, strengths))


def record(loaded: Loaded, memories: Mapping[int, Memory], ids: list[int]) -> dict[int, Access]:
    """What one forward over the tokens read, by layer."""
    for memory in memories.values():
        memory.recording = True
    network: Any = loaded.network
    with autocast_of(network):
        network(input_ids=torch.tensor([ids], device=loaded.device), use_cache=False)
    return {layer: memory.take_accesses()[0] for layer, memory in memories.items()}


def home_of(layer: int, memories: Mapping[int, Memory]) -> int:
    """The layer under which a memory's table is written in patches: the first of those that share it."""
    return next(first for first, memory in memories.items() if memory.pool is memories[layer].pool)


def writers_of(layer: int, patches: Sequence[Patch]) -> dict[int, list[str]]:
    """The documents that wrote each row of a layer's table."""
    writers: dict[int, list[str]] = {}
    for patch in patches:
        for slot in patch.layers[layer][0].tolist() if layer in patch.layers else ():
            writers.setdefault(slot, []).append(document_of(patch))
    return writers


def document_of(patch: Patch) -> str:
    """The document that wrote a patch, or its own name."""
    return patch.metadata.get("document") or patch.name


def list_slots(
    layer: int,
    memory: Memory,
    slots: Tensor,
    weights: Tensor,
    tokens: Sequence[str],
    writers: Mapping[int, Sequence[str]],
) -> list[SlotRead]:
    """The strongest rows of one memory; slots and weights (T, reads). A row that nobody wrote adds nothing."""
    strength = weights * memory.values[slots].norm(dim=-1)
    distinct, inverse = slots.unique(return_inverse=True)
    total = torch.zeros(len(distinct), device=slots.device).index_add_(0, inverse.flatten(), strength.flatten())
    found = []
    for at in total.topk(min(MAX_SLOTS, len(distinct))).indices.tolist():
        if total[at] > 0:
            loudest = int(torch.where(inverse == at, strength, -1).amax(dim=1).argmax())
            slot = int(distinct[at])
            found.append(SlotRead(layer, slot, tokens[loudest], float(total[at]), tuple(writers.get(slot, ()))))
    return found


def read_strength(patch: Patch, layer: int, slots: Tensor, weights: Tensor) -> float:
    """How strongly the rows of a patch were read: weight times the norm of what it wrote there, summed."""
    if layer not in patch.layers or not len(patch.layers[layer][0]):
        return 0.0
    written, deltas = (tensor.to(slots.device) for tensor in patch.layers[layer])
    at = torch.searchsorted(written, slots).clamp_max(len(written) - 1)
    return float((weights * deltas.norm(dim=1)[at] * (written[at] == slots)).sum())


def share_out(patches: Sequence[Patch], strengths: Sequence[float]) -> tuple[PatchRead, ...]:
    """The patches that were read, the strongest first."""
    total = sum(strengths)
    pairs = sorted(zip(strengths, map(document_of, patches), strict=True), reverse=True)
    return tuple(PatchRead(name, value, value / total) for value, name in pairs[:MAX_PATCHES] if value > 0)
