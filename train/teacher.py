"""Asks the base model, with each note's chunk before it, what it finds likeliest; the answers stay in an Arrow file.

The student sees the note alone. Replay is asked with nothing before it: there the student is to stay what it was.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import torch

from augment.errors import DatasetError
from augment.records import content_id
from augment.whole import replace_file
from train.config import Distill
from train.data import Corpus, Sample, Targets, group_by_tokens, pad
from train.model import Loaded
from train.objectives import learned_logits
from train.passages import Passages

SCHEMA = pa.schema(
    [
        ("sample", pa.string()),
        ("top_ids", pa.list_(pa.list_(pa.int32()))),
        ("top_logprobs", pa.list_(pa.list_(pa.float32()))),
    ]
)


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
    if new:
        known |= ask(list(new.values()), loaded, options.top_k, tokens_per_batch)
        write_targets(known, file)
    answers = iter(known[question.key] for question in questions)

    def fill(samples: Sequence[Sample]) -> list[Sample]:
        return [sample if sample.targets else replace(sample, targets=next(answers)) for sample in samples]

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
            ids = loaded.tokenizer(f"{passages.text(span)}\n\n", verbose=False).input_ids
            contexts[span] = list(ids[: options.max_tokens])
        context = contexts[span]
        parts = [context, sample.ids, sample.learned(), options.top_k]
        yield Question(content_id(loaded.folder.revision, json.dumps(parts)), context, sample)


@torch.no_grad()
def ask(questions: Sequence[Question], loaded: Loaded, top_k: int, tokens_per_batch: int) -> dict[str, Targets]:
    """The teacher's top k at each place, by the questions' keys."""
    ordered = sorted(questions, key=lambda question: len(question.context) + len(question.sample))
    wholes = [question.whole() for question in ordered]
    keys = iter(ordered)
    answers: dict[str, Targets] = {}
    for group in group_by_tokens(wholes, tokens_per_batch):
        logits, _ = learned_logits(loaded.network, pad(group))
        values, ids = torch.log_softmax(logits, dim=-1).topk(min(top_k, logits.shape[1]), dim=-1)
        sizes = [len(whole.learned()) for whole in group]
        for part_ids, part_values in zip(ids.cpu().split(sizes), values.cpu().split(sizes), strict=True):
            answers[next(keys).key] = Targets(part_ids, part_values)
    return answers


def read_targets(file: Path) -> dict[str, Targets]:
    """What the file holds, by key; nothing when there is no file. Raises DatasetError when it is broken."""
    if not file.is_file():
        return {}
    try:
        with pa.memory_map(str(file)) as source:
            table = pa.ipc.open_file(source).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise DatasetError(
            f"{file} is no whole Arrow file ({error})", "delete it; the teacher is asked again"
        ) from None
    found = {}
    for row in table.to_pylist():
        found[row["sample"]] = Targets(torch.tensor(row["top_ids"]), torch.tensor(row["top_logprobs"]))
    return found


def write_targets(targets: dict[str, Targets], file: Path) -> None:
    """Write all of them, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(file) as path, pa.ipc.new_file(str(path), SCHEMA) as writer:
        for key, answer in targets.items():
            row = {"sample": key, "top_ids": answer.ids.tolist(), "top_logprobs": answer.logprobs.tolist()}
            writer.write_table(pa.Table.from_pylist([row], schema=SCHEMA))
