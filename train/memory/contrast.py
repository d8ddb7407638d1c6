"""Finds the directions in which things that end alike differ, and one thing in several phrasings does not.

A name's last token looks nearly the same whatever stands before it, so plain keys give all people of one surname the
same slots. What tells them apart is there, in directions of little variance.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from train.data import Batch

WIDTH, BEFORE = 4, 3  # tokens that are a thing; tokens before them that tell its phrasings apart
LEAST_SAID, LEAST_THINGS = 3, 16
RIDGE = 1e-2


def last_tokens(batches: Sequence[Batch], width: int) -> Tensor:
    """The last `width` ids at each real token of the batches, -1 before a text's beginning: (T, width)."""
    padded = [F.pad(batch.ids, (width - 1, 0), value=-1).unfold(1, width, 1)[batch.mask] for batch in batches]
    return torch.cat(padded)


def contrast(states: Tensor, tokens: Tensor, num: int) -> Tensor | None:
    """The `num` best directions (d, num) of states (T, d), unit noise in each; None where too few things recur.

    `tokens` (T, WIDTH + BEFORE) are the last ones at each state. Linear discriminants (Fisher 1936; Rao 1948):
    1. a thing is a run of 4 tokens that the notes say three times or more, and not always after the same three;
    2. signal: how a thing's mean state differs from the mean state of its last token;
    3. noise: how states of one thing differ, which is phrasing, and how the tokens' mean states differ, for which the
       other half of a key stands;
    4. the directions with most signal for their noise.
    """
    tokens = tokens.to(states.device)
    thing = number_rows(tokens[:, BEFORE:])
    token_means, token = means(states, number_rows(tokens[:, -1:])), number_rows(tokens[:, -1:])
    recurs = find_recurring(thing, number_rows(tokens))
    at = recurs[thing].nonzero().flatten()
    if int(recurs.sum()) < max(LEAST_THINGS, num // 4):
        return None
    thing_means = means(states, thing)
    first = torch.full_like(recurs, -1, dtype=torch.long).scatter_(0, thing, torch.arange(len(thing), device=at.device))
    signal = thing_means[recurs] - token_means[token[first[recurs]]]
    within = states[at] - thing_means[thing[at]]
    noise = second_moment(within) + torch.cov(token_means.T)
    return discriminants(second_moment(signal), noise, num)


def number_rows(rows: Tensor) -> Tensor:
    """A number from 0 for each row of (T, w), the same where rows are the same: (T,)."""
    numbers: Tensor = rows.unique(dim=0, return_inverse=True)[1]
    return numbers


def means(states: Tensor, group: Tensor) -> Tensor:
    """The mean of the states (T, d) of each group, whose numbers (T,) count from 0."""
    sums = states.new_zeros(int(group.max()) + 1, states.shape[1]).index_add_(0, group, states)
    return sums / torch.bincount(group)[:, None]


def find_recurring(thing: Tensor, phrasing: Tensor) -> Tensor:
    """Which things are said often enough, in two phrasings or more; both (T,), bool by thing."""
    phrasings = torch.stack([thing, phrasing], 1).unique(dim=0)[:, 0]
    return (torch.bincount(thing) >= LEAST_SAID) & (torch.bincount(phrasings) > 1)


def second_moment(rows: Tensor) -> Tensor:
    """Mean of the outer products of rows (n, d): (d, d)."""
    return rows.T @ rows / len(rows)


def discriminants(signal: Tensor, noise: Tensor, num: int) -> Tensor:
    """Solves signal v = lambda noise v, both (d, d), for the `num` largest lambda: (d, num)."""
    ridge = RIDGE * noise.diagonal().mean() * torch.eye(len(noise), device=noise.device)
    values, vectors = torch.linalg.eigh(noise + ridge)
    whiten = vectors @ torch.diag(values.rsqrt()) @ vectors.T
    best: Tensor = torch.linalg.eigh(whiten @ signal @ whiten)[1][:, -num:]
    directions: Tensor = whiten @ best
    return directions
