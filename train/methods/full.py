"""Full finetuning: every weight moves, by AdamW on fp32 master weights (mixed precision, Micikevicius 1710.03740)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from train.data import Batch
from train.methods.dense import DenseAdamW, DenseMethod
from train.methods.options import FullOptions
from train.methods.sharded import join_parts, part_of, shard
from train.peers import ALONE, Peers

WEIGHTS = "model.safetensors"


class FullMethod(DenseMethod):
    """All weights of a network: those that it holds in bf16 have a master in fp32, tied ones have one together.

    A checkpoint is a model folder that transformers opens. Workers may hold a part of every weight each (FSDP2).
    """

    def __init__(self, network: nn.Module, options: FullOptions, seed: int, peers: Peers = ALONE) -> None:
        self.network: Any = network.requires_grad_(True)
        self.peers = peers
        if peers.splits:
            shard(self.network, peers)
        self.held = group_tied(self.network)
        self.masters = {name: master_of(group[0]) for name, group in self.held.items()}
        self.adamw = DenseAdamW(self.masters, options.lr, options.weight_decay, peers=peers, is_part=peers.splits)
        self.whole: Mapping[str, Tensor] = self.masters

    def begin(self) -> None:
        """Forget the gradients of the last step."""
        self.network.zero_grad(set_to_none=True)

    def update(self, batches: Sequence[Batch], scale: float) -> None:
        """Clip to norm 1, an AdamW step on the masters, and back into the network's precision."""
        for name, master in self.masters.items():
            gradients = [part_of(weight.grad).float() for weight in self.held[name] if weight.grad is not None]
            master.grad = sum(gradients[1:], gradients[0]) if gradients else None
        self.adamw.step(scale)
        self.copy_masters()

    @torch.no_grad()
    def copy_masters(self) -> None:
        """Make the network's weights what the masters are."""
        for name, master in self.masters.items():
            for weight in self.held[name]:
                part_of(weight).copy_(master)

    def num_trainable(self) -> int:
        """Elements of all weights, wherever they are held."""
        return sum(group[0].numel() for group in self.held.values())

    def collect(self) -> None:
        """Put the weights together of which each worker holds a part."""
        if self.peers.splits:
            self.whole = {name: join_parts(master, self.held[name][0]) for name, master in self.masters.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over a state."""
        super().restore(tensors)
        self.copy_masters()

    def save(self, folder: Path) -> None:
        """Write config and fp32 weights as a model folder; the tokenizer is the base's."""
        self.network.config.save_pretrained(str(folder))
        tensors = {name: master.detach().cpu().contiguous() for name, master in self.whole.items()}
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})

    @torch.no_grad()
    def load(self, folder: Path) -> None:
        """Take over saved weights; all of them must be there."""
        saved = load_file(folder / WEIGHTS)
        if saved.keys() != self.masters.keys():
            raise KeyError(f"{len(saved.keys() ^ self.masters.keys())} weights differ")
        for name, master in self.masters.items():
            master.copy_(saved[name])
        self.copy_masters()


def master_of(weight: nn.Parameter) -> nn.Parameter:
    """The weight in fp32, or this worker's part of it: itself where it is whole and fp32."""
    is_whole = part_of(weight) is weight
    return weight if is_whole and weight.dtype == torch.float32 else nn.Parameter(part_of(weight).detach().float())


def group_tied(network: Any) -> dict[str, list[nn.Parameter]]:
    """The network's weights by name; the output layer's stands with the embedding where the architecture ties them."""
    groups = {name: [weight] for name, weight in network.named_parameters()}
    embedding, head = network.get_input_embeddings().weight, network.get_output_embeddings().weight
    if network.config.tie_word_embeddings and embedding is not head:
        names = {id(weight): name for name, weight in network.named_parameters()}
        groups[names[id(embedding)]] += groups.pop(names[id(head)])
    return groups
