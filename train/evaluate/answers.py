"""Asks a model questions in batches: greedy free generation that ends where the model ends it or the line does."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch

from train.model import Loaded

SHOTS = (
    "Question: What is the capital of Italy?\nAnswer: Rome\n"
    "Question: Who wrote Hamlet?\nAnswer: William Shakespeare\n"
    "Question: What gas do plants absorb?\nAnswer: Carbon dioxide\n"
)


def question_prompt(question: str) -> str:
    """The question after three answered ones."""
    return f"{SHOTS}Question: {question}\nAnswer:"


@torch.no_grad()
def complete(loaded: Loaded, prompts: Sequence[str], max_new_tokens: int, batch_size: int) -> list[str]:
    """The greedy continuation of each prompt up to a line end, in the order of the prompts."""
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    answers = [""] * len(prompts)
    for at in range(0, len(order), batch_size):
        chosen = order[at : at + batch_size]
        texts = complete_batch(loaded, [prompts[i] for i in chosen], max_new_tokens)
        for i, text in zip(chosen, texts, strict=True):
            answers[i] = text.strip().split("\n")[0].strip()
    return answers


def complete_batch(loaded: Loaded, prompts: list[str], max_new_tokens: int) -> list[str]:
    """One batch, padded on the left."""
    tokenizer: Any = loaded.tokenizer
    network: Any = loaded.network
    tokenizer.padding_side = "left"
    batch = tokenizer(prompts, return_tensors="pt", padding=True).to(loaded.device)
    with torch.autocast(loaded.device.type, dtype=torch.bfloat16):
        out = network.generate(
            **batch,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            eos_token_id=[tokenizer.eos_token_id, *line_end_tokens(tokenizer)],
            pad_token_id=tokenizer.pad_token_id,
        )
    texts: list[str] = tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    return texts


@lru_cache(maxsize=4)
def line_end_tokens(tokenizer: Any) -> tuple[int, ...]:
    """Ids of the tokens that hold a line end after some text, or are one."""
    ids = range(len(tokenizer))
    return tuple(i for i, text in zip(ids, tokenizer.batch_decode([[i] for i in ids]), strict=True) if "\n" in text)
