"""AdamW over whole tensors (Loshchilov & Hutter 1711.05101), and what all methods that train by it have in common."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from augment.errors import DivergedError
from train.data import Batch
from train.peers import ALONE, Peers


class DenseAdamW:
    """Moves named parameters by their gradients. `max_norm` of all gradients together; None clips nothing.

    Workers add their gradients up. With `is_part` each holds a part of every parameter, and of its gradient's sum.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        lr: float,
        decay: float = 0.0,
        max_norm: float | None = 1.0,
        peers: Peers = ALONE,
        is_part: bool = False,
    ) -> None:
        self.parameters, self.lr, self.max_norm = dict(parameters), lr, max_norm
        self.peers, self.is_part = peers, is_part
        self.optimizer = torch.optim.AdamW(self.parameters.values(), lr=lr, weight_decay=decay, fused=True)

    def forget(self) -> None:
        """Drop the gradients of the last step."""
        self.optimizer.zero_grad(set_to_none=True)

    def step(self, scale: float) -> None:
        """Clip once, then one step at `scale` times the rate."""
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        if not self.is_part:
            self.peers.add_up(gradients)
        if self.max_norm is not None:
            self.clip(gradients, self.max_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr * scale
        self.optimizer.step()

    def clip(self, gradients: Sequence[Tensor], max_norm: float) -> None:
        """Scale all gradients down to `max_norm` where they are longer together. Raises DivergedError before anything
        moves where they are no numbers."""
        norm = torch.nn.utils.get_total_norm(gradients)
        if self.is_part:
            squares = norm.square()
            self.peers.add_up([squares])
            norm = squares.sqrt()
        if not torch.isfinite(norm):
            raise DivergedError(f"the gradient's norm is {float(norm)}", "lower the method's lr")
        torch.nn.utils.clip_grads_with_norm_(self.parameters.values(), max_norm, norm)

    def reset(self) -> None:
        """Forget the moments."""
        self.optimizer.state.clear()

    def num_elements(self) -> int:
        """How many numbers move."""
        return sum(parameter.numel() for parameter in self.parameters.values())

    def state(self) -> dict[str, Tensor]:
        """The parameters and the optimiser's moments, by name."""
        tensors = {name: parameter.detach() for name, parameter in self.parameters.items()}
        for name, parameter in self.parameters.items():
            tensors |= {f"{name}|{key}": value for key, value in self.optimizer.state[parameter].items()}
        return tensors

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over a state. Raises KeyError when it is of other parameters."""
        for name, parameter in self.parameters.items():
            parameter.copy_(tensors[name])
            moments = {key.rpartition("|")[2]: key for key in tensors if key.rpartition("|")[0] == name}
            self.optimizer.state[parameter] = {
                key: tensors[whole].to(parameter.device) for key, whole in moments.items()
            }


class DenseMethod:
    """A method whose parameters move by AdamW, clipped to norm 1, and which trains from the lowest block on."""

    adamw: DenseAdamW
    peers: Peers

    def lowest_blocks(self) -> Sequence[nn.Module]:
        """None: what trains begins in the lowest block."""
        return ()

    def begin(self) -> None:
        """Forget the gradients of the last step."""
        self.adamw.forget()

    def update(self, batches: Sequence[Batch], scale: float) -> None:
        """Clip, then an AdamW step."""
        self.adamw.step(scale)

    def collect(self) -> None:
        """Nothing: every worker holds all that is saved."""

    def end_task(self) -> None:
        """Begin with new moments."""
        self.adamw.reset()

    def num_trainable(self) -> int:
        """Elements of all that moves."""
        return self.adamw.num_elements()

    def state(self) -> dict[str, Tensor]:
        """What moves, with its moments."""
        return self.adamw.state()

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over a state."""
        self.adamw.restore(tensors)
