"""Turns token sequences into batches: the same for every method, in an order that the seed fixes."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from augment.errors import DatasetError
from train.config import Data

ANSWER = "\nAnswer:"


@dataclass(frozen=True, slots=True)
class Targets:
    """What a teacher finds likeliest at each of K tokens to learn: ids (K, k) and natural log-probabilities (K, k).

    A place that stands for no token has log-probability -inf.
    """

    ids: Tensor
    logprobs: Tensor

    def to(self, device: torch.device) -> "Targets":
        """The same on a device."""
        return Targets(self.ids.to(device), self.logprobs.to(device))

    @staticmethod
    def join(parts: Sequence["Targets"]) -> "Targets":
        """The targets of one after another, the narrower ones filled up."""
        width = max(part.ids.shape[1] for part in parts)
        ids = [F.pad(part.ids, (0, width - part.ids.shape[1])) for part in parts]
        logprobs = [F.pad(part.logprobs, (0, width - part.logprobs.shape[1]), value=-torch.inf) for part in parts]
        return Targets(torch.cat(ids), torch.cat(logprobs))


@dataclass(frozen=True, slots=True)
class Sample:
    """A token sequence; `learn` marks the tokens whose prediction is trained, None for all.

    `span` is the chunk of `document` that it is about, `strategy` how that was studied; `targets` are those of the
    tokens to learn where a teacher has been asked. `recurs` marks the tokens that its document's notes keep saying.
    """

    ids: list[int]
    learn: list[bool] | None = None
    document: str = ""
    span: tuple[int, int] = (0, 0)
    strategy: str = ""
    targets: Targets | None = None
    recurs: list[bool] | None = None

    def learned(self) -> list[int]:
        """Positions of the tokens to learn; the first of a sequence has nothing before it and is none."""
        return [i for i in range(1, len(self.ids)) if self.learn is None or self.learn[i]]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Batch:
    """Token ids padded on the right; `mask` is True where a token is real, `learn` where it is to be predicted.

    All (B, L). The first token of a sequence has nothing before it and is never predicted. `document` is the one
    that the batch teaches, "" when it teaches none or several. `targets` are those of the tokens to learn, row by row.
    `recurs` (B, L) marks what a document's notes keep saying, and all that is not of a document; None means all.
    """

    ids: Tensor
    mask: Tensor
    learn: Tensor
    document: str = ""
    targets: Targets | None = None
    recurs: Tensor | None = None

    def num_tokens(self) -> int:
        """Real tokens."""
        return int(self.mask.sum())


@dataclass(frozen=True, slots=True)
class Corpus:
    """Token sequences to train on, each at most `max_length` long.

    `num_foreign`: notes whose log-probabilities another model or tokenizer left, which are of no use here.
    """

    notes: list[Sample]
    replay: list[Sample]
    documents: list[str]
    num_foreign: int = 0


def read_lines(path: Path, *keys: str) -> list[dict[str, Any]]:
    """The objects of a JSON lines file, each with all of `keys`; raises DatasetError naming the line."""
    if not path.is_file():
        raise DatasetError(f"no file {path}", "paths are relative to the pipeline file")
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise TypeError(f"but {line.strip()[:20]}")
            missing = [key for key in keys if key not in row]
        except (json.JSONDecodeError, TypeError) as error:
            raise DatasetError(f"{path}:{number} is not a JSON object ({error})", "fix that line") from None
        if missing:
            raise DatasetError(f"{path}:{number} has no {missing[0]}", f"each line needs {', '.join(keys)}")
        rows.append(row)
    return rows


def window_starts(num_tokens: int, max_length: int) -> range:
    """Where windows of `max_length` begin: each with the last token of the one before, so that every token of the text
    but its first is predicted once."""
    return range(0, max(1, num_tokens - 1), max_length - 1)


def encode_windows(texts: Sequence[str], tokenizer: Any, max_length: int, answers_only: bool = False) -> list[Sample]:
    """Each text's tokens and an end token, cut into windows of `max_length`: no token goes unlearned.

    With `answers_only`, of a text of the form "Question: ... Answer: ..." only what follows the last is learned.
    """
    windows = []
    for text in texts:
        ids = [*tokenizer(text, verbose=False).input_ids, tokenizer.eos_token_id]
        learn = [True] * len(ids)
        if answers_only and text.startswith("Question:") and ANSWER in text:
            question = tokenizer(text[: text.rindex(ANSWER) + len(ANSWER)], verbose=False).input_ids
            learn[: len(question)] = [False] * len(question)
        starts = window_starts(len(ids), max_length)
        windows += [Sample(ids[i : i + max_length], learn[i : i + max_length]) for i in starts]
    return [window for window in windows if window.learned()]


def epoch_batches(
    corpus: Corpus, options: Data, seed: int, epoch: int, mix: Mapping[str, float] | None = None
) -> Iterator[Batch]:
    """One pass over the notes with replay mixed in; batches are shuffled.

    A batch holds sequences of like length: of one document, so that what it writes can be told from what others write,
    or of any with `shuffled`. Replay comes in batches of its own.
    """
    draw = random.Random(f"{seed} {epoch}")
    groups: list[list[Sample]] = []
    by_document: dict[str, list[Sample]] = {}
    if options.mix_tokens:
        mix = scale_mix(corpus.notes, mix, options.mix_tokens)
    notes = corpus.notes if mix is None else draw_notes(corpus.notes, mix, draw)
    for sample in notes:
        by_document.setdefault("" if options.packing == "shuffled" else sample.document, []).append(sample)
    for samples in [*by_document.values(), draw_replay(corpus, options.replay_share, draw, notes)]:
        sequences = pack(samples, options.max_length, draw) if options.join_notes else samples
        sequences.sort(key=lambda s: (len(s) + draw.uniform(-8, 8), draw.random()))
        groups += group_by_tokens(sequences, options.tokens_per_batch)
    draw.shuffle(groups)
    return map(pad, groups)


def scale_mix(notes: Sequence[Sample], mix: Mapping[str, float] | None, num_tokens: int) -> dict[str, float]:
    """The mix (None: every strategy once) with weights so that an epoch has about `num_tokens` tokens of notes.

    Raises DatasetError when there is no note of it.
    """
    mix = mix if mix is not None else dict.fromkeys((note.strategy for note in notes), 1.0)
    total = sum(mix.get(note.strategy, 0.0) * len(note) for note in notes)
    if not total:
        raise DatasetError(f"there is no note of the strategies {', '.join(mix)}", "see train.mixes, or write some")
    return {strategy: weight * num_tokens / total for strategy, weight in mix.items()}


def pack(samples: Sequence[Sample], max_length: int, draw: random.Random) -> list[Sample]:
    """The samples in a drawn order, joined into sequences of at most `max_length` as far as they come whole."""
    sequences: list[list[Sample]] = []
    size = max_length
    for sample in draw.sample(samples, len(samples)):
        if size + len(sample) > max_length:
            sequences.append([])
            size = 0
        sequences[-1].append(sample)
        size += len(sample)
    return [join_samples(parts) for parts in sequences]


def join_samples(parts: Sequence[Sample]) -> Sample:
    """One sequence of them: each sees those before it, what is learned of each is the same as alone."""
    ids = [token for part in parts for token in part.ids]
    learned = [set(part.learned()) for part in parts]
    learn = [i in own for part, own in zip(parts, learned, strict=True) for i in range(len(part))]
    recurs = [mark for part in parts for mark in part.recurs or [True] * len(part)]
    return Sample(ids, learn, common_document(parts), parts[0].span, parts[0].strategy, recurs=recurs)


def draw_notes(notes: Sequence[Sample], mix: Mapping[str, float], draw: random.Random) -> list[Sample]:
    """Notes as often as their strategy's weight says: the whole part of it each, the fraction for as many, drawn."""
    chosen: list[Sample] = []
    for strategy, weight in mix.items():
        mine = [note for note in notes if note.strategy == strategy]
        chosen += mine * int(weight) + draw.sample(mine, round((weight - int(weight)) * len(mine)))
    return chosen


def draw_replay(
    corpus: Corpus, share: float, draw: random.Random, notes: Sequence[Sample] | None = None
) -> list[Sample]:
    """Replay sequences of `share` times the notes' tokens: whole passes over the passages, then a part of one."""
    budget = share * sum(map(len, corpus.notes if notes is None else notes))
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
    learn, recurs = torch.zeros_like(mask), torch.zeros_like(mask)
    for i, sequence in enumerate(sequences):
        ids[i, : len(sequence)] = torch.tensor(sequence.ids)
        mask[i, : len(sequence)] = True
        learn[i, 1 : len(sequence)] = torch.tensor(sequence.learn)[1:] if sequence.learn else True
        recurs[i, : len(sequence)] = torch.tensor(sequence.recurs) if sequence.recurs else True
    return Batch(ids, mask, learn, common_document(sequences), join_targets(sequences), recurs)


def join_targets(sequences: Sequence[Sample]) -> Targets | None:
    """The targets of all sequences, None where one has none."""
    found = [sequence.targets for sequence in sequences if sequence.targets is not None]
    return Targets.join(found) if len(found) == len(sequences) else None


def common_document(parts: Sequence[Sample | Batch]) -> str:
    """The document that all of them teach, "" when there is none."""
    documents = {part.document for part in parts}
    return documents.pop() if len(documents) == 1 else ""
