"""A value table split over workers: slot s is held by worker s mod n, as its row s // n."""

import torch
from torch import Tensor

from train.memory.pool import Pool
from train.peers import Peers


class ShardedPool(Pool):
    """A pool of which this worker holds every n-th row; it asks the others for those that it reads and does not hold.

    Statistics of the background are whole at every worker: 8 bytes a slot.
    """

    def __init__(self, num_slots: int, size: int, peers: Peers) -> None:
        super().__init__(num_slots, size, num_held=-(-(num_slots - peers.rank) // peers.world))
        self.peers = peers

    def find(self, slots: Tensor) -> tuple[Tensor, Tensor]:
        """A table of just the rows that are read, and where in it each of the slots is."""
        wanted, inverse = slots.unique(return_inverse=True)
        parts = self.peers.join(wanted)
        asked = torch.cat(parts)
        answers = self.values.new_zeros(len(asked), self.values.shape[1])
        held = self.held(asked)
        answers[held] = self.values[self.place(asked[held])]
        self.peers.add_up([answers])
        first = sum(map(len, parts[: self.peers.rank]))
        return answers[first : first + len(wanted)], inverse

    def held(self, slots: Tensor) -> Tensor:
        """Which of the slots' rows are here."""
        return slots % self.peers.world == self.peers.rank

    def place(self, slots: Tensor) -> Tensor:
        """Where in `values` the rows of slots are that are held here."""
        return slots // self.peers.world
