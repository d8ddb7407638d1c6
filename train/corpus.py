"""Reads the notes of a dataset and the text to replay as token sequences, with what a teacher left beside them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from augment.errors import DatasetError
from augment.shards import read_rows
from train.config import Data
from train.data import Corpus, Sample, Targets, encode_windows, window_starts
from train.replay import replay_texts

NOTE_COLUMNS = ("text", "document_id", "start", "end", "strategy")
TEACHER_COLUMNS = ("model_revision", "answer_start", "token_ids", "top_ids", "top_logprobs")


def read_corpus(notes: Path, base: Path, options: Data, tokenizer: Any, revision: str = "") -> Corpus:
    """The kept notes of a dataset, and what is replayed. Raises DatasetError when no note was kept.

    Log-probabilities that a model of this `revision` left beside its notes become their targets.
    """
    rows = list(read_rows(notes, "train", [*NOTE_COLUMNS, *(TEACHER_COLUMNS if revision else ())]))
    if not rows:
        raise DatasetError(f"{notes} holds no kept note", "see the reasons with `augment stats`, change the filters")
    brought = [bool(revision and row["answer_start"]) for row in rows]
    ours = [has and is_ours(row, tokenizer, revision) for row, has in zip(rows, brought, strict=True)]
    parts = [encode_note(row, tokenizer, options, has) for row, has in zip(rows, ours, strict=True)]
    return Corpus(
        notes=[sample for part in parts for sample in part],
        replay=encode_windows(replay_texts(options, base), tokenizer, options.max_length),
        documents=sorted({row["document_id"] for row in rows}),
        num_foreign=sum(brought) - sum(ours),
    )


def is_ours(row: dict[str, Any], tokenizer: Any, revision: str) -> bool:
    """Whether this model with this tokenizer wrote the note's answer: its tokens are the answer's text again."""
    if row["model_revision"] != revision or max(row["token_ids"], default=0) >= len(tokenizer):
        return False
    read = tokenizer.decode(row["token_ids"], skip_special_tokens=True)
    return bool(read.strip() == row["text"][row["answer_start"] :].strip())


def encode_note(row: dict[str, Any], tokenizer: Any, options: Data, with_targets: bool = False) -> list[Sample]:
    """A row of the dataset as samples of its document."""
    about = {"document": row["document_id"], "span": (row["start"], row["end"]), "strategy": row["strategy"]}
    if with_targets:
        return [replace(sample, **about) for sample in encode_answer(row, tokenizer, options.max_length)]
    samples = encode_windows([row["text"]], tokenizer, options.max_length, options.answers_only)
    return [replace(sample, **about) for sample in samples]


def encode_answer(row: dict[str, Any], tokenizer: Any, max_length: int) -> list[Sample]:
    """A note that the teacher itself wrote: the answer's tokens with its own log-probabilities, cut into windows."""
    asked = list(tokenizer(row["text"][: row["answer_start"]], verbose=False).input_ids)
    ids, width = [*asked, *row["token_ids"]], max(map(len, row["top_ids"]), default=0)
    learn = [False] * len(asked) + [True] * len(row["token_ids"])
    tops = torch.tensor([[*row, *[0] * (width - len(row))] for row in row["top_ids"]])
    scores = torch.tensor([[*row, *[-torch.inf] * (width - len(row))] for row in row["top_logprobs"]])
    windows = []
    for at in window_starts(len(ids), max_length):
        sample = Sample(ids[at : at + max_length], learn[at : at + max_length])
        places = [at + i - len(asked) for i in sample.learned()]
        if places:
            windows.append(replace(sample, targets=Targets(tops[places], scores[places])))
    return windows
