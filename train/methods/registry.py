"""Starts a method by the type of its options."""

from torch import nn

from train.methods.base import Method
from train.methods.full import FullMethod
from train.methods.lora import LoraMethod
from train.methods.memory import MemoryMethod
from train.methods.options import FullOptions, LoraOptions, MemoryOptions, TrainedOptions
from train.methods.prefix import PrefixMethod
from train.peers import ALONE, Peers


def start_method(network: nn.Module, options: TrainedOptions, seed: int, peers: Peers = ALONE) -> Method:
    """The method attached to the network; nothing is trained yet, outputs are the base model's (but for a prefix)."""
    if isinstance(options, MemoryOptions):
        return MemoryMethod(network, options, seed, peers)
    if isinstance(options, FullOptions):
        return FullMethod(network, options, seed, peers)
    if isinstance(options, LoraOptions):
        return LoraMethod(network, options, seed, peers.unsharded())
    return PrefixMethod(network, options, seed, peers.unsharded())
