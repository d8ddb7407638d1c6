"""Starts a method by the type of its options."""

from torch import nn

from augment.settings import Settings
from train.config import FullOptions, LoraOptions, MemoryOptions
from train.methods.base import Method
from train.methods.full import FullMethod
from train.methods.lora import LoraMethod
from train.methods.memory import MemoryMethod

OPTIONS: dict[str, type[Settings]] = {"memory": MemoryOptions, "lora": LoraOptions, "full": FullOptions}


def start_method(network: nn.Module, options: Settings, seed: int) -> Method:
    """The method attached to the network; nothing is trained yet, outputs are the base model's."""
    if isinstance(options, MemoryOptions):
        return MemoryMethod(network, options, seed)
    if isinstance(options, FullOptions):
        return FullMethod(network, options, seed)
    assert isinstance(options, LoraOptions)
    return LoraMethod(network, options, seed)
