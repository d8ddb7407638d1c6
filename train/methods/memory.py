"""Sparse memory finetuning: each step moves the few value rows that its batch reads and the background does not."""

import torch
from torch import Tensor, nn

from train.config import MemoryOptions
from train.data import Batch
from train.memory.attach import attach_memories
from train.memory.optimizer import RowAdam
from train.memory.slots import choose_slots, score_slots


class MemoryMethod:
    """Memories attached to a network; saved as the rows that moved, plus keys and background statistics."""

    def __init__(self, network: nn.Module, options: MemoryOptions, seed: int) -> None:
        self.options = options
        self.memories = attach_memories(network, options, seed)
        self.optimizers: dict[int, RowAdam] = {}

    def begin(self) -> None:
        """Record which rows the next forward reads."""
        for memory in self.memories.values():
            memory.recording = True

    def update(self, batch: Batch, scale: float) -> None:
        """Choose the step's rows in each memory and move them."""
        for index, memory in self.memories.items():
            access, memory.access, memory.recording = memory.access, None, False
            assert access is not None and access.rows.grad is not None
            reads = access.inverse[batch.mask.flatten().to(access.inverse.device)]
            count = torch.bincount(reads.flatten(), minlength=len(access.slots)).float()
            frequency = memory.document_frequency[access.slots]
            scores = score_slots(count, frequency, memory.num_background, self.options.idf_power)
            chosen = choose_slots(count, scores, self.options.top_t)
            if index not in self.optimizers:
                self.optimizers[index] = RowAdam(memory.values, self.options.lr)
            self.optimizers[index].step(access.slots[chosen], access.rows.grad[chosen], scale)

    def num_trainable(self) -> int:
        """Elements of the value tables."""
        return sum(memory.values.numel() for memory in self.memories.values())

    def tensors(self) -> dict[str, Tensor]:
        """Per layer: moved slots (R,) and their rows (R, d), keys, statistics."""
        saved: dict[str, Tensor] = {}
        for index, memory in self.memories.items():
            slots = memory.values.any(1).nonzero().flatten()
            saved |= {f"{index}.slots": slots, f"{index}.deltas": memory.values[slots]}
            saved |= {f"{index}.{name}": tensor for name, tensor in memory.state_dict().items()}
        return saved

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Restore keys and statistics, and write the saved rows into tables of zeros."""
        for index, memory in self.memories.items():
            prefix = f"{index}."
            own = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
            slots, deltas = own.pop("slots"), own.pop("deltas")
            memory.load_state_dict(own)
            memory.values.zero_()[slots] = deltas.to(memory.values.device)
