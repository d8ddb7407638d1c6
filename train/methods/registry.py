"""Starts a method by the type of its options."""

from torch import nn

from train.config import LoraOptions, MemoryOptions
from train.methods.base import Method
from train.methods.lora import LoraMethod
from train.methods.memory import MemoryMethod


def start_method(network: nn.Module, options: MemoryOptions | LoraOptions, seed: int) -> Method:
    """The method attached to the network; nothing is trained yet, outputs are the base model's."""
    if isinstance(options, MemoryOptions):
        return MemoryMethod(network, options, seed)
    return LoraMethod(network, options, seed)
