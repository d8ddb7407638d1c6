"""What every trainable method promises to the loop."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from torch import nn

from train.data import Batch


class Method(Protocol):
    """A model with something that trains. The loop calls `begin`, forward, backward, `update` for every step."""

    def lowest_blocks(self) -> Sequence[nn.Module]:
        """The network's blocks from the lowest to the first that trains, that one last; none if the lowest trains."""
        ...

    def begin(self) -> None:
        """Get ready for a step's forward."""
        ...

    def update(self, batches: Sequence[Batch], scale: float) -> None:
        """Apply the gradients of a step over these batches; `scale` times the learning rate."""
        ...

    def num_trainable(self) -> int:
        """Parameters that may move."""
        ...

    def save(self, folder: Path) -> None:
        """Write what it takes to have the finetuned model again from its base, as safetensors."""
        ...

    def load(self, folder: Path) -> None:
        """Take over what was saved. Raises KeyError or RuntimeError when it belongs to other settings."""
        ...
