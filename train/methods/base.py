"""What every trainable method promises to the loop."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from train.data import Batch
from train.peers import Peers


class Method(Protocol):
    """A model with something that trains. The loop calls `begin`, forward, backward, `update` for every step.

    `network` is what to call: the base model changed in place, or wrapped. `peers` are the workers that train it.
    """

    network: Any
    peers: Peers

    def lowest_blocks(self) -> Sequence[nn.Module]:
        """The network's blocks from the lowest to the first that trains, that one last; none if the lowest trains."""
        ...

    def begin(self) -> None:
        """Get ready for a step's forward."""
        ...

    def update(self, batches: Sequence[Batch], scale: float) -> None:
        """Apply the gradients of a step over these batches; `scale` times the learning rate."""
        ...

    def end_task(self) -> None:
        """Begin with a new optimiser: what comes next is another task of a stream."""
        ...

    def num_trainable(self) -> int:
        """Parameters that may move."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All that it takes to go on training, the base model apart."""
        ...

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over a state: from here on training goes as if it had never stopped, bit for bit."""
        ...

    def collect(self) -> None:
        """Bring together what the workers hold apart; all of them call it before the main one saves."""
        ...

    def save(self, folder: Path) -> None:
        """Write what it takes to have the finetuned model again from its base, as safetensors."""
        ...

    def load(self, folder: Path) -> None:
        """Take over what was saved. Raises KeyError or RuntimeError when it belongs to other settings."""
        ...
