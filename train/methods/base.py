"""What every trainable method promises to the loop."""

from typing import Protocol

from torch import Tensor

from train.data import Batch


class Method(Protocol):
    """A model with something that trains. The loop calls `begin`, forward, backward, `update` for every step."""

    def begin(self) -> None:
        """Get ready for a step's forward."""
        ...

    def update(self, batch: Batch, scale: float) -> None:
        """Apply the gradients of the step; `scale` times the learning rate."""
        ...

    def num_trainable(self) -> int:
        """Parameters that may move."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """What has to be saved to have the finetuned model again from its base."""
        ...

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take over saved tensors. Raises KeyError or RuntimeError when they belong to other settings."""
        ...
