"""Asks a model questions in batches: greedy free generation that ends where the model ends it or the line does."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby, takewhile
from typing import Any

import torch
from torch import Tensor

from train.model import Loaded, autocast_of

BEGINNING = 16  # tokens by which prompts are sorted into batches that share a beginning
SHOTS = (
    "Question: What is the capital of Italy?\nAnswer: Rome\n"
    "Question: Who wrote Hamlet?\nAnswer: William Shakespeare\n"
    "Question: What gas do plants absorb?\nAnswer: Carbon dioxide\n"
)


def question_prompt(question: str) -> str:
    """The question after three answered ones."""
    return f"{SHOTS}Question: {question}\nAnswer:"


def complete(loaded: Loaded, prompts: Sequence[str], max_new_tokens: int, batch_size: int) -> list[str]:
    """The greedy continuation of each prompt up to a line end, in the order of the prompts."""
    texts = continue_prompts(loaded, prompts, max_new_tokens, batch_size, one_line=True)
    return [text.strip().split("\n")[0].strip() for text in texts]


def continue_prompts(
    loaded: Loaded, prompts: Sequence[str], max_new_tokens: int, batch_size: int, *, one_line: bool
) -> list[str]:
    """The greedy continuation of each prompt up to the end that the model sets, or to a line end if `one_line`."""
    tokenizer: Any = loaded.tokenizer
    encoded = [list(tokenizer(prompt).input_ids) for prompt in prompts]
    ends = [tokenizer.eos_token_id, *(line_end_tokens(tokenizer) if one_line else ())]
    answers = [""] * len(prompts)
    for chosen in batches_of_like_beginning(encoded, batch_size):
        texts = complete_batch(loaded, [encoded[i] for i in chosen], max_new_tokens, ends)
        for i, text in zip(chosen, texts, strict=True):
            answers[i] = text
    return answers


def batches_of_like_beginning(encoded: Sequence[list[int]], batch_size: int) -> Iterator[list[int]]:
    """Positions of sequences: those that begin alike together, then those that begin like no other, by length."""

    def key(i: int) -> list[int]:
        return encoded[i][:BEGINNING]

    groups = [list(g) for _, g in groupby(sorted(range(len(encoded)), key=lambda i: (key(i), len(encoded[i]))), key)]
    alone = sorted((group[0] for group in groups if len(group) == 1), key=lambda i: len(encoded[i]))
    for positions in [*(group for group in groups if len(group) > 1), alone]:
        yield from (positions[at : at + batch_size] for at in range(0, len(positions), batch_size))


@torch.no_grad()
def complete_batch(loaded: Loaded, encoded: Sequence[list[int]], max_new_tokens: int, ends: Sequence[int]) -> list[str]:
    """One batch: the beginning that all share is read once, the rest is padded on the left after it.

    `ends` are the tokens after which an answer is over.
    """
    tokenizer: Any = loaded.tokenizer
    network: Any = loaded.network
    shared = 0 if getattr(network, "active_peft_config", None) else shared_length(encoded)  # a prefix has its own cache
    ids, mask = pad_after(encoded, shared, tokenizer.pad_token_id)
    with autocast_of(network):
        out = network.generate(
            input_ids=ids.to(loaded.device),
            attention_mask=mask.to(loaded.device),
            past_key_values=read_beginning(loaded, encoded[0][:shared], len(encoded)),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            eos_token_id=list(ends),
            pad_token_id=tokenizer.pad_token_id,
        )
    texts: list[str] = tokenizer.batch_decode(out[:, ids.shape[1] :], skip_special_tokens=True)
    return texts


def shared_length(encoded: Sequence[list[int]]) -> int:
    """Tokens at which all rows are alike, leaving at least one of each row."""
    columns = zip(*(row[:-1] for row in encoded), strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))


def pad_after(encoded: Sequence[list[int]], shared: int, pad: int) -> tuple[Tensor, Tensor]:
    """Ids and mask (B, L): `shared` tokens, padding, the rest of each row."""
    length = max(map(len, encoded))
    ids, mask = torch.full((len(encoded), length), pad), torch.zeros(len(encoded), length, dtype=torch.long)
    for i, row in enumerate(encoded):
        gap = shared + length - len(row)
        ids[i, :shared], ids[i, gap:] = torch.tensor(row[:shared]), torch.tensor(row[shared:])
        mask[i, :shared], mask[i, gap:] = 1, 1
    return ids, mask


def read_beginning(loaded: Loaded, ids: list[int], batch_size: int) -> Any:
    """Keys and values of a beginning, once for each row of a batch; None when there is none."""
    if not ids:
        return None
    cache = loaded.network(input_ids=torch.tensor([ids], device=loaded.device), use_cache=True).past_key_values
    cache.batch_repeat_interleave(batch_size)
    return cache


@lru_cache(maxsize=4)
def line_end_tokens(tokenizer: Any) -> tuple[int, ...]:
    """Ids of the tokens that hold a line end after some text, or are one."""
    ids = range(len(tokenizer))
    return tuple(i for i, text in zip(ids, tokenizer.batch_decode([[i] for i in ids]), strict=True) if "\n" in text)
