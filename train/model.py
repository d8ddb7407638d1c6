"""Loads a causal language model and its tokenizer, frozen; the one door to transformers."""

import os
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from augment.errors import ModelError
from augment.models import ModelFolder, find_model
from augment.precision import dtype_name
from train.allocator import keep_freed_memory


@dataclass(slots=True)
class Loaded:
    """A model ready to train or ask: `network` is in evaluation mode, no parameter requires a gradient."""

    folder: ModelFolder
    network: nn.Module
    tokenizer: Any

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.network.parameters()).device


def load_model(name: str, bf16: bool | None = None) -> Loaded:
    """The base model in fp32; on a GPU when there is one. Raises ModelError when its files cannot be read.

    With `bf16` the frozen linear layers are held in bf16: what bf16 autocast would make of them at every call. None:
    where the machine is faster so.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    keep_freed_memory()
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder = find_model(name)
    on_gpu = torch.cuda.is_available()
    options = {"dtype": torch.float32, "use_safetensors": True}
    if not on_gpu:
        options["attn_implementation"] = "eager"  # on a CPU 1.1 times faster than sdpa at our lengths
    try:
        network = AutoModelForCausalLM.from_pretrained(str(folder.path), **options)
        tokenizer = AutoTokenizer.from_pretrained(str(folder.path))
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"{folder.path} cannot be loaded ({str(error).splitlines()[0][:120]})", "fetch it again"
        ) from None
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    network.to("cuda" if on_gpu else "cpu")
    network.eval().requires_grad_(False)
    if (dtype_name(on_gpu) == "bfloat16") if bf16 is None else bf16:
        hold_linears_in_bf16(network)
    return Loaded(folder, network, tokenizer)


def autocast_of(network: nn.Module) -> torch.autocast:
    """bf16 autocast where the network holds layers in bf16, nothing where it is all fp32."""
    device = next(network.parameters()).device.type
    return torch.autocast(device, dtype=torch.bfloat16, enabled=holds_bf16(network))


def holds_bf16(network: nn.Module) -> bool:
    """Whether some layer is held in bf16."""
    return any(p.dtype == torch.bfloat16 for p in network.parameters())


def hold_linears_in_bf16(network: nn.Module) -> None:
    """Give every linear layer a bf16 weight of its own, also where it shared the embedding's: that one, and with it
    the residual stream, stays fp32."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            module.weight = nn.Parameter(module.weight.detach().to(torch.bfloat16), requires_grad=False)
            if module.bias is not None:
                module.bias = nn.Parameter(module.bias.detach().to(torch.bfloat16), requires_grad=False)


def decoder_layers(network: nn.Module, mlp: str = "mlp") -> nn.ModuleList:
    """The list of transformer blocks, each of which has a module named `mlp`.

    Raises ModelError naming the modules that the blocks of another architecture have.
    """
    lists = [m for m in network.modules() if isinstance(m, nn.ModuleList) and len(m)]
    for blocks in lists:
        if all(isinstance(getattr(block, mlp, None), nn.Module) for block in blocks):
            return blocks
    blocks = max(lists, key=len, default=nn.ModuleList([nn.Module()]))
    names = ", ".join(name for name, _ in blocks[0].named_children()) or "no modules"
    raise ModelError(f"no block of {type(network).__name__} has a module `{mlp}`", f"set memory.mlp to one of: {names}")
