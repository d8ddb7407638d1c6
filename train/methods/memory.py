"""Sparse memory finetuning: each step moves the few value rows that its batch reads and the background does not."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from augment.errors import DatasetError
from train.config import MemoryOptions
from train.data import Batch, common_document
from train.memory.attach import attach_memories
from train.memory.background import load_background, save_background
from train.memory.gradient import Reads
from train.memory.layer import Memory
from train.memory.optimizer import RowAdam, RowOptimizer, RowSgd
from train.memory.patch import Entry, Patch, PatchRecorder, add_patches, applied_patches, save_patch, write_order
from train.memory.slots import choose_slots, score_kl, score_tfidf
from train.model import decoder_layers

CONFIG, KEYS, PATCHES = "memory_config.json", "keys.safetensors", "patches"


class MemoryMethod:
    """Memories attached to a network; saved as keys, background statistics and one patch a document.

    `description` says what the statistics were made of; it goes with keys and patches.
    """

    def __init__(self, network: nn.Module, options: MemoryOptions, seed: int) -> None:
        self.network, self.options = network, options
        self.memories = attach_memories(network, options, seed)
        self.optimizers: dict[int, RowOptimizer] = {}
        self.recorder = PatchRecorder()
        self.description: dict[str, str] = {}
        self.protected: dict[int, Tensor] = {}

    def lowest_blocks(self) -> Sequence[nn.Module]:
        """Those up to the first memory's."""
        return list(decoder_layers(self.network, self.options.mlp))[: min(self.options.layers) + 1]

    def begin(self) -> None:
        """Record which rows the next forward reads."""
        for memory in self.memories.values():
            memory.recording = True

    def update(self, batches: Sequence[Batch], scale: float) -> None:
        """Choose the step's rows in each memory over all its batches, move them, and note down what they moved by."""
        document = common_document(batches)
        for index, memory in self.memories.items():
            reads = Reads.of(memory.take_accesses(), [batch.mask for batch in batches])
            reads.count[torch.isin(reads.slots, self.protected.get(index, reads.slots[:0]))] = 0
            chosen = self.choose(memory, reads.slots, reads.count)
            rows = reads.slots[chosen]
            before = memory.values[rows]
            self.optimizer(index).step(rows, reads.row_gradient(chosen), scale)
            self.recorder.add(document, index, rows, memory.values[rows] - before)

    def choose(self, memory: Memory, slots: Tensor, count: Tensor) -> Tensor:
        """Positions in `slots` (U,) of the rows that this step may move; `count` (U,) are the batch's accesses."""
        if self.options.ranking == "all":
            return (count > 0).nonzero().flatten()
        if self.options.ranking == "kl":
            total = memory.access_count.sum()
            return choose_slots(count, score_kl(count, memory.access_count[slots], total), self.options.top_t)
        frequency = memory.document_frequency[slots]
        scores = score_tfidf(count, frequency, memory.num_background, self.options.idf_power)
        return choose_slots(count, scores, self.options.top_t)

    def protect(self, patches: Iterable[Patch]) -> None:
        """Let no step move rows that these patches write."""
        for patch in patches:
            for layer, (slots, _) in patch.layers.items():
                known = self.protected.get(layer, slots[:0])
                self.protected[layer] = torch.cat([known, slots]).unique().to(self.memories[layer].values.device)

    def optimizer(self, index: int) -> RowOptimizer:
        """The optimiser of one layer's table."""
        if index not in self.optimizers:
            kind = {"adam": RowAdam, "sgd": RowSgd}[self.options.optimizer]
            self.optimizers[index] = kind(self.memories[index].values, self.options.lr)
        return self.optimizers[index]

    def num_trainable(self) -> int:
        """Elements of the value tables."""
        return sum(memory.values.numel() for memory in self.memories.values())

    @classmethod
    def from_pretrained(cls, network: nn.Module, folder: Path) -> Self:
        """Attach what `save` wrote to its base model. Raises DatasetError when the folder holds no memory."""
        path = folder / CONFIG
        if not path.is_file():
            raise DatasetError(f"{folder} holds no {CONFIG}", "give the `checkpoint` folder of a memory run")
        options = MemoryOptions.model_validate_json(path.read_text(encoding="utf-8"))
        method = cls(network, options, seed=0)
        method.load(folder)
        return method

    def save(self, folder: Path) -> None:
        """Write options, keys with statistics, and the patches."""
        (folder / CONFIG).write_text(self.options.model_dump_json(indent=2), encoding="utf-8")
        save_background(self.memories, self.description, folder / KEYS)
        patches = self.recorder.patches(self.description)
        for patch in patches:
            save_patch(patch, folder / PATCHES)
        (folder / PATCHES).mkdir(exist_ok=True)
        write_order(folder / PATCHES, [Entry(patch.name, True) for patch in patches])

    def load(self, folder: Path) -> None:
        """Read keys and statistics, and make the tables the sum of the applied patches."""
        load_background(self.memories, folder / KEYS)
        add_patches(
            {index: memory.values for index, memory in self.memories.items()}, applied_patches(folder / PATCHES)
        )
