"""Sparse memory finetuning: each step moves the few value rows that its batch reads and the background does not."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Self

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from augment.errors import DatasetError
from train.data import Batch, common_document
from train.memory.attach import attach_memories
from train.memory.background import load_background, save_background
from train.memory.gradient import Reads
from train.memory.layer import Memory
from train.memory.ledger import Ledger, under
from train.memory.optimizer import RowAdam, RowOptimizer, RowSgd
from train.memory.patch import (
    Entry,
    Patch,
    add_patches,
    applied_patches,
    merge_patches,
    patch_name,
    save_patch,
    write_order,
)
from train.memory.pool import Pool
from train.memory.slots import choose_slots, damp, score_kl, score_tfidf
from train.methods.dense import DenseAdamW
from train.methods.options import MemoryOptions
from train.model import decoder_layers
from train.peers import ALONE, Peers

CONFIG, KEYS, PATCHES = "memory_config.json", "keys.safetensors", "patches"
DENSE = "dense.safetensors"


class MemoryMethod:
    """Memories attached to a network; saved as keys, background statistics and one patch a document.

    `description` says what the statistics were made of; it goes with keys and patches.
    """

    def __init__(self, network: nn.Module, options: MemoryOptions, seed: int, peers: Peers = ALONE) -> None:
        self.network, self.options, self.peers = network, options, peers
        self.memories = attach_memories(network, options, seed, peers)
        self.pools = group_by_pool(self.memories)
        dense = self.dense_tensors()
        self.dense = DenseAdamW(dense, options.dense_lr, 0.01, None, peers) if dense else None
        self.optimizers: dict[int, RowOptimizer] = {}
        self.ledgers: dict[int, Ledger] = {}
        self.description: dict[str, str] = {}
        self.protected: dict[int, Tensor] = {}
        self.written: list[Patch] | None = None

    def lowest_blocks(self) -> Sequence[nn.Module]:
        """Those up to the first memory's."""
        return list(decoder_layers(self.network, self.options.mlp))[: min(self.options.layers) + 1]

    def begin(self) -> None:
        """Record which rows the next forward reads."""
        for memory in self.memories.values():
            memory.recording = True
        if self.dense is not None:
            self.dense.forget()

    def update(self, batches: Sequence[Batch], scale: float) -> None:
        """Choose the step's rows in each pool over all its batches, move them, and note down what they moved by."""
        document = common_document(batches) if self.options.patches == "document" else ""
        masks = [self.writing(batch) & counts for batch, counts in self.peers.own(batches)]
        for index, memories in self.pools.items():
            accesses = [memory.take_accesses() for memory in memories]
            reads = Reads.of(list(chain(*accesses)), masks * len(memories))
            slots, count = reads.merge_counts(self.peers)
            count[torch.isin(slots, self.protected.get(index, slots[:0]))] = 0
            chosen = self.choose(memories[0].pool, slots, count)
            rows = slots[chosen]
            gradient = reads.row_gradient(chosen) if self.peers.alone else reads.sum_gradients(rows, self.peers)
            self.move(index, rows, gradient, scale, document)
        if self.dense is not None:
            self.dense.step(scale)

    def writing(self, batch: Batch) -> Tensor:
        """The tokens (B, L) whose reads may move rows."""
        if self.options.write_at == "all" or batch.recurs is None:
            return batch.mask
        return batch.mask & batch.recurs

    def move(self, index: int, rows: Tensor, gradient: Tensor, scale: float, document: str) -> None:
        """One optimiser step on those of the rows (R,) that are held here, noted down."""
        pool, mean_square = self.memories[index].pool, gradient.square().mean()
        if self.peers.splits:
            held = pool.held(rows)
            rows, gradient = rows[held], gradient[held]
        freedom = scale * self.freedom(pool, rows)
        rate = self.optimizer(index).step(pool.place(rows), gradient, freedom, mean_square)
        if not self.writes_one_patch:
            self.ledger(index).add(document, rows, gradient, rate)

    @property
    def writes_one_patch(self) -> bool:
        """Whether the tables themselves say what was written; nothing is noted down then."""
        return self.options.patches == "run" and not self.peers.splits

    def written_rows(self) -> dict[int, tuple[Tensor, Tensor]]:
        """Slots (R,) and values (R, d) of the rows that are not zero, by layer."""
        tables = {index: memories[0].values for index, memories in self.pools.items()}
        written = {index: table.any(dim=1).nonzero().flatten() for index, table in tables.items()}
        return {index: (slots, tables[index][slots]) for index, slots in written.items()}

    def freedom(self, pool: Pool, rows: Tensor) -> Tensor:
        """How far each row may go at most, (R, 1) from 0 to 1."""
        if self.options.damping == 0:
            return torch.ones(len(rows), 1, device=rows.device)
        share = pool.background_share(rows)
        if self.options.contrasts:  # the second half spreads what all texts say over many rows
            share = torch.maximum(share, pool.half_share(rows))
        return damp(share, self.options.damping)[:, None]

    def choose(self, pool: Pool, slots: Tensor, count: Tensor) -> Tensor:
        """Positions in `slots` (U,) of the rows that this step may move; `count` (U,) are the batch's accesses."""
        if self.options.ranking == "all":
            return (count > 0).nonzero().flatten()
        if self.options.ranking == "kl":
            scores = score_kl(count, pool.access_count[slots], pool.access_count.sum())
        else:
            scores = score_tfidf(count, pool.document_frequency[slots], pool.num_background, self.options.idf_power)
        return choose_slots(count, scores, self.options.top_t)

    def protect(self, patches: Iterable[Patch]) -> None:
        """Let no step move rows that these patches write."""
        for patch in patches:
            for layer, (slots, _) in patch.layers.items():
                known = self.protected.get(layer, slots[:0])
                self.protected[layer] = torch.cat([known, slots]).unique().to(self.memories[layer].values.device)

    def end_task(self) -> None:
        """Begin with new optimisers; with `protect_earlier` let no later step move a row that was written."""
        self.optimizers = {}
        for ledger in self.ledgers.values():
            ledger.forget_momentum()
        if self.dense is not None:
            self.dense.reset()
        if self.options.protect_earlier:
            self.protect(self.patches())

    def optimizer(self, index: int) -> RowOptimizer:
        """The optimiser of one layer's table."""
        if index not in self.optimizers:
            self.memories[index].pool.commit()
            kind = {"adam": RowAdam, "sgd": RowSgd}[self.options.optimizer]
            self.optimizers[index] = kind(self.memories[index].values, self.options.lr)
        return self.optimizers[index]

    def ledger(self, index: int) -> Ledger:
        """Which document wrote what into one layer's table."""
        if index not in self.ledgers:
            pool, momentum = self.memories[index].pool, self.optimizer(index).momentum
            self.ledgers[index] = Ledger(len(pool.access_count), pool.values.shape[1], momentum, pool.values.device)
        return self.ledgers[index]

    def num_trainable(self) -> int:
        """Elements of the value tables, gates and projections."""
        tables = sum(memories[0].pool.num_elements() for memories in self.pools.values())
        return tables + (self.dense.num_elements() if self.dense else 0)

    def state(self) -> dict[str, Tensor]:
        """Rows that were written, with their moments, what each document wrote, and what trains densely."""
        tensors = self.dense.state() if self.dense else {}
        for index, (rows, values) in self.written_rows().items():
            tensors |= {f"{index}/rows": rows, f"{index}/values": values}
        tensors |= {f"{index}/protected": slots for index, slots in self.protected.items()}
        for index, optimizer in self.optimizers.items():
            tensors |= {f"{index}/optimizer/{name}": tensor for name, tensor in optimizer.save().items()}
        for index, ledger in self.ledgers.items():
            tensors |= {f"{index}/ledger/{name}": tensor for name, tensor in ledger.save().items()}
        return tensors

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over a state; the tables must be those of a new method."""
        if self.dense is not None:
            self.dense.restore(tensors)
        for index, memories in self.pools.items():
            memories[0].values[tensors[f"{index}/rows"]] = tensors[f"{index}/values"].to(memories[0].values.device)
            if f"{index}/protected" in tensors:
                self.protected[index] = tensors[f"{index}/protected"].to(memories[0].values.device)
            if saved := under(f"{index}/optimizer/", tensors):
                self.optimizer(index).load(saved)
            if saved := under(f"{index}/ledger/", tensors):
                self.ledger(index).load(saved)

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

    def collect(self) -> None:
        """Bring together what all workers wrote."""
        self.written = self.patches()

    def patches(self) -> list[Patch]:
        """What was written, a patch a document; all workers call it."""
        if self.writes_one_patch:
            return [Patch(patch_name(""), self.written_rows(), {**self.description, "document": ""})]
        mine = self.document_patches()
        if not self.peers.splits:
            return mine
        parts = zip(*self.peers.join_objects(mine), strict=True)
        return [replace(merge_patches(part[0].name, list(part)), metadata=part[0].metadata) for part in parts]

    def document_patches(self) -> list[Patch]:
        """What each document wrote into the rows that are held here, in the order in which they first wrote."""
        for ledger in self.ledgers.values():
            ledger.settle_all()
        documents = dict.fromkeys(chain(*(ledger.documents for ledger in self.ledgers.values())))
        return [self.patch_of(document) for document in documents]

    def patch_of(self, document: str) -> Patch:
        """One document's patch, of the layers that it wrote to."""
        layers = {i: ledger.written(document) for i, ledger in self.ledgers.items() if document in ledger.documents}
        return Patch(patch_name(document), layers, {**self.description, "document": document})

    def save(self, folder: Path) -> None:
        """Write options, keys with statistics, the patches, and what trained densely."""
        (folder / CONFIG).write_text(self.options.model_dump_json(indent=2), encoding="utf-8")
        save_background(self.memories, self.description, folder / KEYS)
        if self.dense:
            save_file({name: tensor.detach().cpu() for name, tensor in self.dense_tensors().items()}, folder / DENSE)
        patches = self.patches() if self.written is None else self.written
        for patch in patches:
            save_patch(patch, folder / PATCHES)
        (folder / PATCHES).mkdir(exist_ok=True)
        write_order(folder / PATCHES, [Entry(patch.name, True) for patch in patches])

    def load(self, folder: Path) -> None:
        """Read keys, statistics and what trained densely, and make the tables the sum of the applied patches."""
        load_background(self.memories, folder / KEYS)
        saved = load_file(folder / DENSE) if self.dense else {}
        for name, tensor in self.dense_tensors().items():
            tensor.data.copy_(saved[name])
        tables = {index: memories[0].values for index, memories in self.pools.items()}
        add_patches(tables, applied_patches(folder / PATCHES))

    def dense_tensors(self) -> dict[str, nn.Parameter]:
        """Weights of gates and projections by name; none without them."""
        return {
            f"{i}.{name}": weight for i, memory in self.memories.items() for name, weight in memory.named_parameters()
        }


def group_by_pool(memories: Mapping[int, Memory]) -> dict[int, list[Memory]]:
    """The memories that read one pool, under the index of their first."""
    groups: dict[int, list[Memory]] = {}
    for index, memory in memories.items():
        shared = (first for first, group in groups.items() if group[0].pool is memory.pool)
        groups.setdefault(next(shared, index), []).append(memory)
    return groups
