"""Makes the gradients of a few value rows of what their reads were summed to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from train.memory.layer import Access
from train.memory.sums import weighted_sums
from train.peers import Peers


@dataclass(frozen=True, slots=True)
class Reads:
    """All that a step's real tokens read from one table.

    `slots` (U,) are distinct; `inverse` and `weights` (T, reads) say which of them each token read and how much of it;
    `gradient` (T, d) is that of the tokens' sums; `count` (U,) are the weights of each slot's reads, added up.
    """

    slots: Tensor
    inverse: Tensor
    weights: Tensor
    gradient: Tensor
    count: Tensor

    @classmethod
    def of(cls, accesses: Sequence[Access], masks: Sequence[Tensor]) -> Self:
        """The reads of a step's forwards, each with the mask (B, L) of its real tokens."""
        kept = [mask.flatten().to(access.slots.device) for access, mask in zip(accesses, masks, strict=True)]
        parts = list(zip(accesses, kept, strict=True))
        slots, inverse = torch.cat([a.slots[real] for a, real in parts]).unique(return_inverse=True)
        weights = torch.cat([a.weights[real] for a, real in parts])
        gradient = torch.cat([(torch.zeros_like(a.sums) if a.sums.grad is None else a.sums.grad)[r] for a, r in parts])
        count = weights.new_zeros(len(slots)).index_add_(0, inverse.flatten(), weights.flatten())
        return cls(slots, inverse, weights, gradient, count)

    def merge_counts(self, peers: Peers) -> tuple[Tensor, Tensor]:
        """Distinct slots that any worker read, ascending, and their counts over all of them."""
        if peers.alone:
            return self.slots, self.count
        slots, inverse = torch.cat(peers.join(self.slots)).unique(return_inverse=True)
        count = self.count.new_zeros(len(slots))
        return slots, count.index_add_(0, inverse, torch.cat(peers.join(self.count)))

    def sum_gradients(self, rows: Tensor, peers: Peers) -> Tensor:
        """Gradients (R, d) of distinct rows (R,), those of all workers' reads added up."""
        gradient = self.gradient.new_zeros(len(rows), self.gradient.shape[1])
        mine = torch.isin(rows, self.slots)
        gradient[mine] = self.row_gradient(torch.searchsorted(self.slots, rows[mine]))
        peers.add_up([gradient])
        return gradient

    def row_gradient(self, chosen: Tensor) -> Tensor:
        """Gradients (R, d) of the rows at positions `chosen` (R,) of `slots`: their tokens' gradients times weights."""
        place = self.inverse.new_full((len(self.slots),), -1)
        place[chosen] = torch.arange(len(chosen), device=place.device)
        at = place[self.inverse]
        token, read = (at >= 0).nonzero(as_tuple=True)
        order = at[token, read].argsort()
        token, read = token[order], read[order]
        ends = torch.bincount(at[token, read], minlength=len(chosen)).cumsum(0)
        begins = torch.cat([ends.new_zeros(1), ends])
        return weighted_sums(self.gradient, token, self.weights[token, read], begins)
