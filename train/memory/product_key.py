"""Finds the k best of N = n * n keys by two lists of n half keys (Lample et al. 1907.05242)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.memory.placement import centre_points, spread_points
from train.memory.top_k import pairs_to_search, top_k

SHARPNESS = 8.0


class ProductKeys(nn.Module):
    """Maps states (T, d) to slots and weights, both (T, heads * k). Nothing here trains by gradient.

    1. centre the states by the background's mean; whiten them by its covariance, so that hub slots do not take all,
       and project to one query per head: both are one matrix (d, heads * 2 * half);
    2. split each query in halves, normalise each;
    3. top k of each half's cosine with its n half keys;
    4. top k of the sums that can be among them (`pairs_to_search`): exact top k of all n * n keys;
    5. softmax of the k sums, times sigmoid(SHARPNESS (2 c - null_score)), where c is the best cosine of the first
       half: a token far from all keys reads little, whatever the second half tells apart.

    Keys are random, and nothing is null, until `place` puts them where the notes are.
    """

    mean: Tensor
    projection: Tensor
    keys: Tensor
    null_score: Tensor
    pairs: Tensor

    def __init__(
        self, size: int, num_keys: int, heads: int, k: int, half: int, seed: int, sharpness: float = SHARPNESS
    ) -> None:
        super().__init__()
        self.draw = torch.Generator().manual_seed(seed)
        self.k = min(k, num_keys)
        self.register_buffer("mean", torch.zeros(size))
        query = torch.randn(heads, size, 2 * half, generator=self.draw) / math.sqrt(size)
        self.register_buffer("projection", query.transpose(0, 1).flatten(1).contiguous())
        keys = torch.randn(heads, 2, num_keys, half, generator=self.draw)
        self.register_buffer("keys", F.normalize(keys, dim=-1))
        self.register_buffer("null_score", torch.tensor(-math.inf))
        self.register_buffer("pairs", pairs_to_search(self.k), persistent=False)

    def fit(self, states: Tensor) -> None:
        """Set centre and whitening from background states (T, d); once."""
        eigenvalues, vectors = torch.linalg.eigh(torch.cov(states.T))
        ridge = 1e-3 * eigenvalues.mean()
        self.mean = states.mean(0)
        whiten = vectors @ torch.diag((eigenvalues.clamp_min(0) + ridge).rsqrt()) @ vectors.T
        self.projection = whiten @ self.projection

    def tell_apart(self, directions: Tensor) -> None:
        """Make the second half of each query of these directions (d, n): for one product key both halves must agree.

        Each head has a random mixture of them.
        """
        heads, half = len(self.keys), self.keys.shape[-1]
        mixture = torch.randn(heads, directions.shape[1], half, generator=self.draw) / math.sqrt(directions.shape[1])
        queries = self.projection.unflatten(1, (heads, 2, half)).clone()
        queries[:, :, 1] = torch.einsum("dn,hne->dhe", directions, mixture.to(directions.device))
        self.projection = queries.flatten(1).contiguous()

    def place(self, states: Tensor, null_score: float, placement: str = "spread") -> None:
        """Put half keys on the halves of the notes' states (T, d), once `fit`; those that find no point stay random.

        Twice the best cosine is 2 at a key and, for a random one, about 0.7: `null_score` lies between.
        """
        for i, halves in enumerate(self.halves(states)):
            for head in range(len(self.keys)):
                points = {"spread": spread_points, "centres": centre_points}[placement](
                    halves[:, head], self.keys.shape[2], self.draw
                )
                self.keys[head, i, : len(points)] = points
        self.null_score.fill_(null_score)

    def halves(self, states: Tensor) -> list[Tensor]:
        """Both halves (T, heads, half) of the queries of states (T, d), as unit vectors."""
        queries = ((states.float() - self.mean) @ self.projection).unflatten(-1, (len(self.keys), -1))
        return [F.normalize(half, dim=-1) for half in queries.chunk(2, -1)]

    @torch.no_grad()
    def forward(self, states: Tensor) -> tuple[Tensor, Tensor]:
        (best_1, at_1), (best_2, at_2) = (
            top_k(torch.einsum("the,hne->thn", half, self.keys[:, i]), self.k)
            for i, half in enumerate(self.halves(states))
        )
        of_1, of_2 = self.pairs
        sums = best_1.index_select(-1, of_1) + best_2.index_select(-1, of_2)
        best, pair = sums.topk(self.k, -1)
        slots = at_1.gather(-1, of_1[pair]) * self.keys.shape[2] + at_2.gather(-1, of_2[pair])
        familiar = torch.sigmoid(SHARPNESS * (2 * best_1.amax(-1, keepdim=True) - self.null_score))
        weights = (SHARPNESS * best).softmax(-1) * familiar
        return slots.flatten(1), weights.flatten(1)
