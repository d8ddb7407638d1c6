"""Asks the base model, with each note's chunk before it, what it finds likeliest; the answers stay in an Arrow file.

The student sees the note alone. Replay is asked with nothing before it: there the student is to stay what it was.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from augment.records import content_id
from train.beginning import read_beginning, shared_length
from train.config import Distill
from train.data import Corpus, Sample, Targets, group_by_tokens, pad
from train.model import Loaded, autocast_of
from train.objectives import learned_logits
from train.passages import Passages
from train.targets_file import read_targets, write_targets

UNSAVED = 1000  # answers after which the file is written, or a quarter of what it holds: a kill loses no more


@dataclass(frozen=True, slots=True)
class Question:
    """A sample with the tokens that the teacher sees before it; `key` names its answer in the file."""

    key: str
    context: list[int]
    sample: Sample

    def whole(self) -> Sample:
        """What the teacher reads; it is asked where the student learns."""
        learned = set(self.sample.learned())
        marks = [False] * len(self.context) + [i in learned for i in range(len(self.sample))]
        return Sample([*self.context, *self.sample.ids], marks)


def teach(
    corpus: Corpus, loaded: Loaded, passages: Passages, options: Distill, file: Path, tokens_per_batch: int
) -> Corpus:
    """The corpus with targets for every sample, from the file as far as it has them. Those that have some keep them."""
    known = read_targets(file)
    questions = list(list_questions([*corpus.notes, *corpus.replay], loaded, passages, options))
    new = {question.key: question for question in questions if question.key not in known}
    unsaved = 0
    for answers in ask(list(new.values()), loaded, options.top_k, tokens_per_batch) if new else ():
        known.update(answers)
        unsaved += len(answers)
        if unsaved >= max(UNSAVED, len(known) // 4):
            write_targets(known, file)
            unsaved = 0
    if unsaved:
        write_targets(known, file)
    found = iter(known[question.key] for question in questions)

    def fill(samples: Sequence[Sample]) -> list[Sample]:
        return [sample if sample.targets else replace(sample, targets=next(found)) for sample in samples]

    return Corpus(fill(corpus.notes), fill(corpus.replay), corpus.documents)


def list_questions(
    samples: Sequence[Sample], loaded: Loaded, passages: Passages, options: Distill
) -> Iterator[Question]:
    """What to ask about the samples that have no targets yet, in their order."""
    contexts: dict[tuple[str, int, int], list[int]] = {("", 0, 0): []}
    for sample in samples:
        if sample.targets is not None:
            continue
        span = (sample.document, *sample.span) if sample.document else ("", 0, 0)
        if span not in contexts:
            contexts[span] = read_before(passages.text(span), loaded, options)
        context = contexts[span]
        parts = [context, sample.ids, sample.learned(), options.top_k]
        yield Question(content_id(loaded.folder.revision, json.dumps(parts)), context, sample)


def read_before(chunk: str, loaded: Loaded, options: Distill) -> list[int]:
    """The tokens that the teacher sees before a note: the preamble, if there is one, and the chunk, cut if need be."""
    before = f"{options.preamble}\n\n" if options.preamble else ""
    ids = loaded.tokenizer(f"{before}{chunk}\n\n", verbose=False).input_ids
    return list(ids[: options.max_tokens + (len(loaded.tokenizer(before).input_ids) if before else 0)])


@torch.no_grad()
def ask(
    questions: Sequence[Question], loaded: Loaded, top_k: int, tokens_per_batch: int
) -> Iterator[dict[str, Targets]]:
    """The teacher's top k at each place, by the questions' keys, batch by batch: those of one context together."""
    ordered = sorted(questions, key=lambda question: (question.context, len(question.sample)))
    wholes = [question.whole() for question in ordered]
    keys = iter(ordered)
    for group in group_by_tokens(wholes, tokens_per_batch):
        logits = read_once(loaded, group)
        values, ids = torch.log_softmax(logits, dim=-1).topk(min(top_k, logits.shape[1]), dim=-1)
        sizes = [len(whole.learned()) for whole in group]
        parts = zip(ids.cpu().split(sizes), values.cpu().split(sizes), strict=True)
        yield {next(keys).key: Targets(part_ids, part_values) for part_ids, part_values in parts}


def read_once(loaded: Loaded, wholes: Sequence[Sample]) -> Tensor:
    """Logits (K, V) at the K tokens to learn; what stands before those and is the same in all samples is read once."""
    firsts = [learned[0] for whole in wholes if (learned := whole.learned())]
    shared = min([shared_length([whole.ids for whole in wholes]), *(first - 1 for first in firsts)])
    if len(wholes) == 1:
        shared = 0  # nothing is saved
    rests = [Sample(whole.ids[shared:], whole.learn[shared:] if whole.learn else None) for whole in wholes]
    with autocast_of(loaded.network):
        beginning = read_beginning(loaded, wholes[0].ids[:shared], len(wholes))
    return learned_logits(loaded.network, pad(rests), beginning)[0]
