"""Contrasts: things that end alike are told apart, one thing in other phrasings is not."""

import torch

from train.data import Sample, pad
from train.memory.contrast import BEFORE, WIDTH, contrast, discriminants, find_recurring, last_tokens
from train.memory.product_key import ProductKeys


def test_the_last_tokens_stop_at_a_text_s_beginning_and_leave_out_padding() -> None:
    batch = pad([Sample([5, 6, 7]), Sample([8])])
    assert last_tokens([batch], 3).tolist() == [[-1, -1, 5], [-1, 5, 6], [5, 6, 7], [-1, -1, 8]]


def test_a_thing_recurs_when_it_is_said_three_times_after_different_tokens() -> None:
    thing = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2])
    phrasing = torch.tensor([0, 1, 1, 2, 2, 2, 3, 4])
    assert find_recurring(thing, phrasing).tolist() == [True, False, False]


def test_discriminants_have_most_signal_for_their_noise_and_unit_noise() -> None:
    noise, signal = torch.diag(torch.tensor([4.0, 1.0, 1.0])), torch.diag(torch.tensor([4.0, 2.0, 0.1]))
    directions = discriminants(signal, noise, 2)
    assert directions[2].abs().max() < 1e-3
    torch.testing.assert_close(directions.T @ noise @ directions, torch.eye(2), atol=0.05, rtol=0)


def world(num_people: int) -> tuple[torch.Tensor, torch.Tensor]:
    """States (T, 24) and last tokens of people who share two last tokens, each said in four phrasings.

    The last token is loud in the state, phrasing half as loud, who it is faint.
    """
    draw = torch.Generator().manual_seed(0)
    loud, faint = torch.randn(2, 24, generator=draw) * 8, torch.randn(num_people, 24, generator=draw)
    faint[:, 12:] = 0
    states, tokens = [], []
    for person in range(num_people):
        for phrasing in range(4):
            noise = torch.randn(24, generator=draw) * 4
            noise[:12] = 0
            states.append(loud[person % 2] + faint[person] + noise)
            tokens.append([100 + phrasing] * BEFORE + [10 + person] * (WIDTH - 1) + [person % 2])
    return torch.stack(states), torch.tensor(tokens)


def test_contrasts_tell_people_of_one_surname_apart_and_not_phrasings() -> None:
    states, tokens = world(40)
    keys = ProductKeys(24, 16, 2, 2, 8, seed=0)
    keys.fit(states)

    def likeness(steps: int) -> float:
        second = keys.halves(states)[1]
        return (second[:-steps:4] * second[steps::4][: len(second[:-steps:4])]).sum(-1).mean().item()

    plain = likeness(1)  # four phrasings each; every second person has the same surname
    directions = contrast(states, tokens, 12)
    assert directions is not None
    keys.tell_apart(directions)
    assert likeness(8) < 0.3 and plain < 0.5 < likeness(1)


def test_too_few_things_give_no_contrast() -> None:
    states, tokens = world(4)
    assert contrast(states, tokens, 12) is None
