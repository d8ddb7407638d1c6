"""LoRA through peft (Hu et al. 2106.09685), on all linear layers, with AdamW."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from augment.errors import ConfigError
from train.methods.dense import DenseAdamW, DenseMethod
from train.methods.options import LoraOptions
from train.peers import ALONE, Peers

WEIGHTS, PREFIX = "adapter_model.safetensors", "base_model.model."


class LoraMethod(DenseMethod):
    """Low-rank adapters inside a network; saved as peft's adapter tensors."""

    def __init__(self, network: nn.Module, options: LoraOptions, seed: int, peers: Peers = ALONE) -> None:
        from peft import LoraConfig, inject_adapter_in_model

        torch.manual_seed(seed)
        self.config = LoraConfig(
            r=options.rank, lora_alpha=options.alpha, target_modules=options.targets, task_type="CAUSAL_LM"
        )
        try:
            self.network: Any = inject_adapter_in_model(self.config, network)
        except ValueError as error:  # peft's error for targets that are not there is one
            linear = {name.rpartition(".")[2] for name, part in network.named_modules() if isinstance(part, nn.Linear)}
            what = f"lora.targets = {options.targets} cannot be used ({str(error).splitlines()[0][:100]})"
            raise ConfigError(what, f"there are all-linear, {', '.join(sorted(linear))}") from None
        for parameter in self.network.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()  # peft makes them in the frozen layer's precision
        trained = {name: p for name, p in self.network.named_parameters() if p.requires_grad}
        self.peers = peers
        self.adamw = DenseAdamW(trained, options.lr, peers=peers)

    def tensors(self) -> dict[str, Tensor]:
        """The adapters' matrices."""
        from peft import get_peft_model_state_dict

        state: dict[str, Tensor] = get_peft_model_state_dict(self.network)
        return state

    def save(self, folder: Path) -> None:
        """Write an adapter folder that `peft.PeftModel.from_pretrained` opens too."""
        self.config.save_pretrained(str(folder))
        save_file({PREFIX + n: t.detach().cpu().contiguous() for n, t in self.tensors().items()}, folder / WEIGHTS)

    def load(self, folder: Path) -> None:
        """Write saved matrices into the adapters; all of them must be there."""
        from peft import set_peft_model_state_dict

        tensors = {name.removeprefix(PREFIX): tensor for name, tensor in load_file(folder / WEIGHTS).items()}
        expected = self.tensors().keys()
        if expected != tensors.keys():
            raise KeyError(f"{len(expected ^ tensors.keys())} adapter tensors differ")
        set_peft_model_state_dict(self.network, tensors)
