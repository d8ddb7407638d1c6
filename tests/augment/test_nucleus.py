"""Nucleus sampling without a full sort: the tokens that stay are those of the definition."""

import pytest
import torch
from vllm import SamplingParams
from vllm.v1.sample.logits_processor.interface import BatchUpdate, MoveDirectionality

from augment.engines.nucleus import Nucleus, least_logits


def kept_by_definition(logits: torch.Tensor, share: float) -> torch.Tensor:
    """The fewest likeliest tokens that reach the share together."""
    ranked, order = logits.sort(descending=True)
    mass = ranked.double().softmax(0).cumsum(0)
    kept = torch.zeros_like(logits, dtype=torch.bool)
    kept[order[: int((mass < share).sum()) + 1]] = True
    return kept


@pytest.mark.parametrize("num_sorted", [1, 8, 5000])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95, 0.999])
def test_the_nucleus_is_that_of_the_definition(share: float, num_sorted: int) -> None:
    logits = torch.randn(20, 5000, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.5, 6, 20)[:, None]
    least = least_logits(logits, torch.full((20,), share), num_sorted)
    for row, bound in zip(logits, least, strict=True):
        expected = kept_by_definition(row, share)
        assert abs(int((row >= bound).sum()) - int(expected.sum())) <= 1  # the sum's rounding at the boundary
        assert bool((row >= bound)[row.argmax()])


def added(index: int, share: float | None) -> tuple[int, SamplingParams, list[int], list[int]]:
    """A request that came to this place of the batch."""
    return index, SamplingParams(extra_args={"nucleus": share} if share else None), [1], []


def test_each_request_of_a_batch_keeps_its_own_share() -> None:
    nucleus = Nucleus(None, torch.device("cpu"), False)
    nucleus.update_state(BatchUpdate(3, removed=[], added=[added(0, 0.5), added(1, None), added(2, 0.9)], moved=[]))
    logits = torch.tensor([[3.0, 2.0, 1.0, 0.0]]).repeat(3, 1)
    out = nucleus.apply(logits.clone())
    assert [int(row.isfinite().sum()) for row in out] == [1, 4, 3]

    nucleus.update_state(BatchUpdate(2, removed=[0], added=[], moved=[(2, 0, MoveDirectionality.UNIDIRECTIONAL)]))
    assert [int(row.isfinite().sum()) for row in nucleus.apply(logits[:2].clone())] == [3, 4]


def test_requests_that_change_places_keep_their_own_bounds() -> None:
    nucleus = Nucleus(None, torch.device("cpu"), False)
    nucleus.update_state(BatchUpdate(2, removed=[], added=[added(0, 0.5), added(1, 0.9)], moved=[]))
    nucleus.update_state(BatchUpdate(2, removed=[], added=[], moved=[(0, 1, MoveDirectionality.SWAP)]))
    logits = torch.tensor([[3.0, 2.0, 1.0, 0.0], [0.0, 10.0, 20.0, 30.0]])
    assert [int(row.isfinite().sum()) for row in nucleus.apply(logits)] == [3, 1]
