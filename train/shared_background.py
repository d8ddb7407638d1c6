"""Keeps fitted keys and background statistics beside the runs: memories of the same shape and texts are fitted once.

    OUT/train/background/HASH.safetensors

The hash is of all that the fit reads: the memories as they were attached, the model, and every batch.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

from augment.whole import replace_file
from train.data import Batch
from train.memory.attach import fit_background
from train.memory.background import load_background, save_background, statistics
from train.memory.layer import Memory
from train.methods.memory import MemoryMethod
from train.model import Loaded, holds_bf16

FOLDER = "background"
VERSION = "2"  # of how weights are made of scores: 2 holds the null score against the first half


def fit_once(
    folder: Path,
    loaded: Loaded,
    method: MemoryMethod,
    passages: Sequence[Batch],
    questions: Sequence[Batch],
    notes: Sequence[Batch],
) -> bool:
    """Fit the method's memories, or read what an earlier fit of the same left in `folder`; returns whether it was."""
    options = method.options
    placing = (options.null_score, options.placement, options.contrasts)
    parts = [VERSION, loaded.folder.revision, str(holds_bf16(loaded.network)), *map(str, placing)]
    file = folder / FOLDER / f"{hash_of(method.memories, [passages, questions, notes], parts)}.safetensors"
    if found := method.peers.agree(file.is_file()):
        load_background(method.memories, file)
        return found
    fit_background(loaded.network, method.memories, passages, questions, notes, options)
    if method.peers.is_main:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(file) as path:
            save_background(method.memories, method.description, path)
    return False


def hash_of(memories: Mapping[int, Memory], texts: Sequence[Sequence[Batch]], parts: Sequence[str]) -> str:
    """What identifies a fit."""
    digest = blake2b("|".join(parts).encode(), digest_size=16)
    for index, memory in memories.items():
        for name, tensor in statistics(memory).items():
            digest.update(f"|{index}.{name}{tuple(tensor.shape)}|".encode() + tensor.cpu().numpy().tobytes())
    for batches in texts:
        digest.update(b"|texts|")
        for batch in batches:
            digest.update(str(tuple(batch.ids.shape)).encode() + batch.ids.numpy().tobytes())
            digest.update(batch.mask.numpy().tobytes())
    return digest.hexdigest()
