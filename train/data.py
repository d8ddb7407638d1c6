"""Turns notes and replay passages into token batches: the same for every method, in an order that the seed fixes."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from augment.errors import DatasetError
from augment.shards import read_rows
from train.config import Data

ANSWER = "\nAnswer:"


@dataclass(frozen=True, slots=True)
class Sample:
    """A token sequence; `learn` marks the tokens whose prediction is trained, None for all."""

    ids: list[int]
    learn: list[bool] | None = None
    document: str = ""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Batch:
    """Token ids padded on the right; `mask` is True where a token is real, `learn` where it is to be predicted.

    All (B, L). The first token of a sequence has nothing before it and is never predicted. `document` is the one
    that the batch teaches, "" when it teaches none or several.
    """

    ids: Tensor
    mask: Tensor
    learn: Tensor
    document: str = ""

    def num_tokens(self) -> int:
        """Real tokens."""
        return int(self.mask.sum())


@dataclass(frozen=True, slots=True)
class Corpus:
    """Token sequences to train on, each at most `max_length` long."""

    notes: list[Sample]
    replay: list[Sample]
    documents: list[str]


def read_lines(path: Path, *keys: str) -> list[dict[str, Any]]:
    """The objects of a JSON lines file, each with all of `keys`; raises DatasetError naming the line."""
    if not path.is_file():
        raise DatasetError(f"no file {path}", "paths are relative to the pipeline file")
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            missing = [key for key in keys if key not in row]
        except (json.JSONDecodeError, TypeError) as error:
            raise DatasetError(f"{path}:{number} is not a JSON object ({error})", "fix that line") from None
        if missing:
            raise DatasetError(f"{path}:{number} has no {missing[0]}", f"each line needs {', '.join(keys)}")
        rows.append(row)
    return rows


def read_corpus(notes: Path, base: Path, options: Data, tokenizer: Any) -> Corpus:
    """The kept notes of a dataset, and the replay passages. Raises DatasetError when no note was kept."""
    rows = list(read_rows(notes, "train", ["text", "document_id"]))
    if not rows:
        raise DatasetError(f"{notes} holds no kept note", "see the reasons with `augment run`, change the filters")
    passages = read_lines(base / options.passages, "text")[: options.num_background]
    return Corpus(
        notes=[sample for row in rows for sample in encode_note(row, tokenizer, options)],
        replay=encode_windows([p["text"] for p in passages], tokenizer, options.max_length),
        documents=sorted({row["document_id"] for row in rows}),
    )


def encode_note(row: dict[str, Any], tokenizer: Any, options: Data) -> list[Sample]:
    """A row of the dataset as samples of its document."""
    samples = encode_windows([row["text"]], tokenizer, options.max_length, options.answers_only)
    return [replace(sample, document=row["document_id"]) for sample in samples]


def encode_windows(texts: Sequence[str], tokenizer: Any, max_length: int, answers_only: bool = False) -> list[Sample]:
    """Each text's tokens and an end token, cut into windows of `max_length`: no token is dropped.

    With `answers_only`, of a text of the form "Question: ... Answer: ..." only what follows the last is learned.
    """
    windows = []
    for text in texts:
        ids = [*tokenizer(text, verbose=False).input_ids, tokenizer.eos_token_id]
        learn = [True] * len(ids)
        if answers_only and text.startswith("Question:") and ANSWER in text:
            question = tokenizer(text[: text.rindex(ANSWER) + len(ANSWER)], verbose=False).input_ids
            learn[: len(question)] = [False] * len(question)
        cuts = range(0, len(ids), max_length)
        windows += [Sample(ids[i : i + max_length], learn[i : i + max_length]) for i in cuts]
    return [w for w in windows if any((w.learn or [])[1:])]


def epoch_batches(corpus: Corpus, options: Data, seed: int, epoch: int) -> Iterator[Batch]:
    """One pass over the notes with replay mixed in; batches are shuffled.

    A batch holds notes of one document, so that what it writes can be told from what others write, and sequences of
    like length. Replay comes in batches of its own.
    """
    draw = random.Random(f"{seed} {epoch}")
    groups: list[list[Sample]] = []
    by_document: dict[str, list[Sample]] = {}
    for sample in [*corpus.notes, *draw_replay(corpus, options.replay_share, draw)]:
        by_document.setdefault(sample.document, []).append(sample)
    for samples in by_document.values():
        samples.sort(key=lambda s: (len(s) + draw.uniform(-8, 8), draw.random()))
        groups += group_by_tokens(samples, options.tokens_per_batch)
    draw.shuffle(groups)
    return map(pad, groups)


def draw_replay(corpus: Corpus, share: float, draw: random.Random) -> list[Sample]:
    """Replay sequences of `share` times the notes' tokens: whole passes over the passages, then a part of one."""
    budget = share * sum(map(len, corpus.notes))
    chosen: list[Sample] = []
    while budget > 0 and corpus.replay:
        for sequence in draw.sample(corpus.replay, len(corpus.replay)):
            if budget <= 0:
                break
            chosen.append(sequence)
            budget -= len(sequence)
    return chosen


def group_by_tokens(sequences: Sequence[Sample], budget: int) -> Iterator[list[Sample]]:
    """Groups whose padded size stays within the budget (a single longer sequence makes its own group)."""
    group: list[Sample] = []
    for sequence in sequences:
        if group and max(len(sequence), *map(len, group)) * (len(group) + 1) > budget:
            yield group
            group = []
        group.append(sequence)
    if group:
        yield group


def pad(sequences: Sequence[Sample]) -> Batch:
    """The sequences as one batch; padding ids are 0 and masked."""
    length = max(map(len, sequences))
    ids = torch.zeros(len(sequences), length, dtype=torch.long)
    mask = torch.zeros(len(sequences), length, dtype=torch.bool)
    learn = torch.zeros_like(mask)
    for i, sequence in enumerate(sequences):
        ids[i, : len(sequence)] = torch.tensor(sequence.ids)
        mask[i, : len(sequence)] = True
        learn[i, 1 : len(sequence)] = torch.tensor(sequence.learn)[1:] if sequence.learn else True
    return Batch(ids, mask, learn, common_document(sequences))


def common_document(parts: Sequence[Sample | Batch]) -> str:
    """The document that all of them teach, "" when there is none."""
    documents = {part.document for part in parts}
    return documents.pop() if len(documents) == 1 else ""
