"""Asks a model questions in batches: greedy free generation that ends where the model ends it or the line does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from train.beginning import read_beginning, shared_length
from train.model import Loaded, autocast_of

BEGINNING = 16  # tokens by which prompts are sorted into batches that share a beginning
SHOTS = (
    "Question: What is the capital of Italy?\nAnswer: Rome\n"
    "Question: Who wrote Hamlet?\nAnswer: William Shakespeare\n"
    "Question: What gas do plants absorb?\nAnswer: Carbon dioxide\n"
)


@dataclass(frozen=True, slots=True)
class Written:
    """A continuation, and whether the model ended it itself instead of running out of tokens."""

    text: str
    ended: bool


def question_prompt(question: str) -> str:
    """The question after three answered ones."""
    return f"{SHOTS}Question: {question}\nAnswer:"


def chat_prompt(tokenizer: Any, question: str) -> str:
    """The question alone, in the model's own chat form where its tokenizer has one."""
    if not tokenizer.chat_template:
        return f"Question: {question}\nAnswer:"
    turns = [{"role": "user", "content": question}]
    text = str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
    return text.removeprefix(tokenizer.bos_token or "")  # the tokenizer adds its own


def complete(loaded: Loaded, prompts: Sequence[str], max_new_tokens: int, batch_size: int) -> list[str]:
    """The greedy continuation of each prompt up to a line end, in the order of the prompts."""
    written = continue_prompts(loaded, prompts, max_new_tokens, batch_size, one_line=True)
    return [first_line(answer.text) for answer in written]


def first_line(text: str) -> str:
    """What stands before the first line end."""
    return text.strip().split("\n")[0].strip()


def continue_prompts(
    loaded: Loaded, prompts: Sequence[str], max_new_tokens: int, batch_size: int, *, one_line: bool
) -> list[Written]:
    """The greedy continuation of each prompt up to the end that the model sets, or to a line end if `one_line`."""
    tokenizer: Any = loaded.tokenizer
    encoded = [list(tokenizer(prompt).input_ids) for prompt in prompts]
    ends = [*end_tokens(loaded), *(line_end_tokens(tokenizer) if one_line else ())]
    answers = [Written("", False)] * len(prompts)
    for chosen in batches_of_like_beginning(encoded, batch_size):
        written = complete_batch(loaded, [encoded[i] for i in chosen], max_new_tokens, ends)
        for i, answer in zip(chosen, written, strict=True):
            answers[i] = answer
    return answers


def end_tokens(loaded: Loaded) -> list[int]:
    """Tokens with which the model ends a text or its turn: chat models have several."""
    network: Any = loaded.network
    named = getattr(network.generation_config, "eos_token_id", None)
    return list(dict.fromkeys([loaded.tokenizer.eos_token_id, *([named] if isinstance(named, int) else named or [])]))


def batches_of_like_beginning(encoded: Sequence[list[int]], batch_size: int) -> Iterator[list[int]]:
    """Positions of sequences: those that begin alike together, then those that begin like no other, by length."""

    def key(i: int) -> list[int]:
        return encoded[i][:BEGINNING]

    groups = [list(g) for _, g in groupby(sorted(range(len(encoded)), key=lambda i: (key(i), len(encoded[i]))), key)]
    alone = sorted((group[0] for group in groups if len(group) == 1), key=lambda i: len(encoded[i]))
    for positions in [*(group for group in groups if len(group) > 1), alone]:
        yield from (positions[at : at + batch_size] for at in range(0, len(positions), batch_size))


@torch.no_grad()
def complete_batch(
    loaded: Loaded, encoded: Sequence[list[int]], max_new_tokens: int, ends: Sequence[int]
) -> list[Written]:
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
    new = out[:, ids.shape[1] :]
    ended = torch.isin(new, torch.tensor(ends, device=new.device)).any(dim=1).tolist()
    texts = tokenizer.batch_decode(new, skip_special_tokens=True)
    return [Written(text, end) for text, end in zip(texts, ended, strict=True)]


def pad_after(encoded: Sequence[list[int]], shared: int, pad: int) -> tuple[Tensor, Tensor]:
    """Ids and mask (B, L): `shared` tokens, padding, the rest of each row."""
    length = max(map(len, encoded))
    ids, mask = torch.full((len(encoded), length), pad), torch.zeros(len(encoded), length, dtype=torch.long)
    for i, row in enumerate(encoded):
        gap = shared + length - len(row)
        ids[i, :shared], ids[i, gap:] = torch.tensor(row[:shared]), torch.tensor(row[shared:])
        mask[i, :shared], mask[i, gap:] = 1, 1
    return ids, mask


@lru_cache(maxsize=4)
def line_end_tokens(tokenizer: Any) -> tuple[int, ...]:
    """Ids of the tokens that hold a line end after some text, or are one."""
    ids = range(len(tokenizer))
    return tuple(i for i, text in zip(ids, tokenizer.batch_decode([[i] for i in ids]), strict=True) if "\n" in text)
