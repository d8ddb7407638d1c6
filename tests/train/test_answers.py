"""Batched answers are those that each prompt gets alone, without a shared beginning and without padding."""

from pathlib import Path

import pytest
import torch

from train.evaluate.answers import batches_of_like_beginning, complete, pad_after, question_prompt
from train.model import Loaded, load_model

PROMPTS = [
    question_prompt("Who built the bridge?"),
    question_prompt("What is the name of the water that flows under the old bridge in the north?"),
    "The bridge crosses the",
    question_prompt("When?"),
    "The bridge",
]


def alone(loaded: Loaded, prompt: str, max_new_tokens: int) -> list[int]:
    """Greedy tokens of one prompt by whole forwards, without a cache; ends after a line end."""
    ids = list(loaded.tokenizer(prompt).input_ids)
    start = len(ids)
    for _ in range(max_new_tokens):
        with torch.no_grad():
            logits = loaded.network(input_ids=torch.tensor([ids])).logits[0, -1]
        ids.append(int(logits.argmax()))
        if ids[-1] == loaded.tokenizer.eos_token_id or "\n" in loaded.tokenizer.decode(ids[-1:]):
            break
    return ids[start:]


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_batches_answer_like_single_prompts(tiny_model: Path, batch_size: int) -> None:
    loaded = load_model(str(tiny_model), bf16=False)
    expected = []
    for prompt in PROMPTS:
        text = loaded.tokenizer.decode(alone(loaded, prompt, 6), skip_special_tokens=True)
        expected.append(text.strip().split("\n")[0].strip())
    assert any(expected)
    assert complete(loaded, PROMPTS, max_new_tokens=6, batch_size=batch_size) == expected


def test_every_prompt_is_in_one_batch_and_like_beginnings_meet() -> None:
    encoded = [[*range(20), i] for i in range(5)] + [[7, i] for i in range(3)]
    batches = list(batches_of_like_beginning(encoded, 4))
    assert sorted(i for batch in batches for i in batch) == list(range(8))
    assert all(len({encoded[i][0] for i in batch}) == 1 and len(batch) <= 4 for batch in batches)


def test_prompts_that_begin_like_no_other_share_batches() -> None:
    encoded = [[i, *range(length)] for i, length in enumerate((9, 3, 6))] + [[*range(50, 70), i] for i in range(2)]
    assert list(batches_of_like_beginning(encoded, 2)) == [[3, 4], [1, 2], [0]]


def test_padding_stands_between_the_beginning_and_the_rest() -> None:
    ids, mask = pad_after([[1, 2, 3], [1, 4, 5, 6]], shared=1, pad=0)
    assert ids.tolist() == [[1, 0, 2, 3], [1, 4, 5, 6]]
    assert mask.tolist() == [[1, 0, 1, 1], [1, 1, 1, 1]]
