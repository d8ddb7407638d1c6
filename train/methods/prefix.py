"""A trained prefix of keys and values through peft's Cartridge (Eyuboglu et al. 2506.06266), with AdamW."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from train.data import Sample
from train.methods.dense import DenseAdamW, DenseMethod
from train.methods.options import PrefixOptions
from train.model import autocast_of
from train.peers import ALONE, Peers

WEIGHTS, TENSOR = "adapter_model.safetensors", "prompt_embeddings"


class PrefixMethod(DenseMethod):
    """Keys and values of `num_tokens` tokens before every layer's own; `network` is the model with them."""

    def __init__(self, network: nn.Module, options: PrefixOptions, seed: int, peers: Peers = ALONE) -> None:
        from peft import CartridgeConfig, get_peft_model

        torch.manual_seed(seed)
        config = CartridgeConfig(num_virtual_tokens=options.num_tokens, num_frozen_tokens=1, task_type="CAUSAL_LM")
        self.network: Any = get_peft_model(network, config)
        self.encoder: Any = self.network.prompt_encoder[self.network.active_adapter].float()
        self.peers = peers
        self.adamw = DenseAdamW({"prefix": self.encoder.trainable_embedding}, options.lr, peers=peers)

    def fit(self, samples: Sequence[Sample]) -> None:
        """Begin as the keys and values that the base model makes of the samples' first tokens, repeated if too few."""
        from peft.tuners.cartridge.utils import prompt_embeddings_from_past_key_values

        num_tokens = self.encoder.num_frozen_tokens + self.encoder.num_trainable_tokens
        ids = [token for sample in samples for token in sample.ids][:num_tokens]
        ids = (ids * (num_tokens // len(ids) + 1))[:num_tokens]
        base = self.network.get_base_model()
        with torch.no_grad(), autocast_of(base):
            cache = base(input_ids=torch.tensor([ids], device=self.encoder.trainable_embedding.device), use_cache=True)
        pairs = [(layer.keys.float(), layer.values.float()) for layer in cache.past_key_values.layers]
        self.encoder.load_prompt_embeddings(
            prompt_embeddings_from_past_key_values(pairs, num_virtual_tokens=num_tokens)
        )

    def state(self) -> dict[str, Tensor]:
        """The prefix with its moments; the first token, which does not move, is part of it."""
        return super().state() | {"first": self.encoder.frozen_embedding.detach()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over a state."""
        super().restore(tensors)
        self.encoder.frozen_embedding.data.copy_(tensors["first"])

    def tensors(self) -> dict[str, Tensor]:
        """The prefix (num_tokens, layers * 2 * key size), as peft saves it."""
        return {TENSOR: self.encoder.weight.detach().cpu().contiguous()}

    def save(self, folder: Path) -> None:
        """Write an adapter folder that `peft.PeftModel.from_pretrained` opens too."""
        self.network.peft_config[self.network.active_adapter].save_pretrained(str(folder))
        save_file(self.tensors(), folder / WEIGHTS)

    def load(self, folder: Path) -> None:
        """Take over a saved prefix of the same shape."""
        saved = load_file(folder / WEIGHTS)
        if saved.keys() != {TENSOR} or saved[TENSOR].shape != self.encoder.weight.shape:
            raise KeyError("the prefix has another shape")
        self.encoder.load_prompt_embeddings(saved[TENSOR])
