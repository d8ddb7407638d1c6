"""Trains on groups of documents one after another and asks about all of them after each: the R matrix of a stream.

R[i][j] is recall of held-out questions about group j after training on group i (Lopez-Paz & Ranzato 1706.08840). With
`ask_every` most rows stay unknown, and with them the figures of groups that were not asked about in their turn.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from augment.errors import ConfigError, DatasetError
from augment.json_file import write_json
from train.config import Train
from train.data import Corpus
from train.evaluate.base import known_set, make_exam
from train.evaluate.measure import Exam, examine
from train.grid import Cell
from train.loop import Show, Trained, train_method
from train.methods.base import Method
from train.model import Loaded
from train.resume import Keeper, Position
from train.stage import Stage

STREAM = "stream.json"
FIGURES = ("accuracy", "backward_transfer", "forgetting", "forward_transfer")


def train_stream(
    stage: Stage,
    cell: Cell,
    loaded: Loaded,
    method: Method,
    corpus: Corpus,
    options: Train,
    keeper: Keeper,
    show: Show,
) -> Trained:
    """Train each group for all epochs; `stream.json` holds what was known after each, and is rewritten each time.

    The optimiser's state and the learning rate's schedule begin anew with a group, as if it came on another day.
    """
    folder, groups = stage.folder(cell), split_documents(corpus.documents, options.tasks)
    exam, known = make_exam(stage, loaded), known_set(stage, print)
    keepers = [keeper.part(f"group-{number + 1:03d}") for number in range(len(groups))]
    first = max((number for number, part in enumerate(keepers) if part.latest()), default=0)
    rows = read_rows(folder / STREAM, first) if first else [measure_groups(loaded, exam, known, groups)]
    for number, group in list(enumerate(groups))[first:]:
        log = folder / f"metrics-{number + 1:03d}.jsonl"
        part = Corpus([note for note in corpus.notes if note.document in group], corpus.replay, sorted(group))
        trained = train_method(
            method.network, method, part, options, cell.seed, log, show, mix=cell.mix, keeper=keepers[number]
        )
        method.end_task()
        is_asked = (number + 1) % options.ask_every == 0 or number + 1 == len(groups)
        found = measure_groups(loaded, exam, known, groups) if is_asked else unknown_row(groups)
        rows.append(found | asdict(trained))
        if stage.peers.is_main:
            write_json(describe_stream(groups, rows), folder / STREAM)
        if number + 1 < len(groups) and options.checkpoint_every:
            keepers[number + 1].save(method, Position())
        keepers[number].forget()
    return Trained(sum(row["tokens"] for row in rows[1:]), sum(row["seconds"] for row in rows[1:]), rows[-1]["loss"])


def read_rows(path: Path, num_groups: int) -> list[dict[str, Any]]:
    """What was measured before training and after each of the first groups. Raises DatasetError when it is gone."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return [record["before"], *record["after"][:num_groups]]
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(
            f"{path} cannot be read ({error})", "delete the run's `states` folder to start anew"
        ) from None


def split_documents(documents: Sequence[str], number: int) -> list[set[str]]:
    """Documents in order as groups of like size. Raises ConfigError when there are more groups than documents."""
    if number > len(documents):
        raise ConfigError(f"train.tasks = {number}, and there are {len(documents)} documents", "lower it")
    cuts = [round(i * len(documents) / number) for i in range(number + 1)]
    return [set(documents[a:b]) for a, b in pairwise(cuts)]


def measure_groups(loaded: Loaded, exam: Exam, known: set[str], groups: Sequence[set[str]]) -> dict[str, Any]:
    """Recall of held-out questions by group with each answer (`right`), share of the known set kept, general NLL."""
    figures = examine(loaded, exam, known)
    asked = [answer for answer in figures["answers"] if answer["kind"] == "held_out"]
    right = [[int(answer["em"]) for answer in asked if answer["document"] in group] for group in groups]
    recall = [mean(answers) for answers in right]
    return {"recall": recall, "kept": figures["retention"]["kept"], "nll": figures["general"]["nll"], "right": right}


def unknown_row(groups: Sequence[set[str]]) -> dict[str, Any]:
    """What stands for figures where nothing was asked."""
    return {"recall": [None] * len(groups), "kept": None, "nll": None, "right": None}


def describe_stream(groups: Sequence[set[str]], rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The record: `before` training, then one row a group; accuracy, transfer and forgetting of the groups so far.

    `accuracy` is the mean recall of the groups trained so far; `backward_transfer` the mean of how much recall of each
    group but the last changed since it was trained; `forgetting` the mean of how far it fell from its best;
    `forward_transfer` the mean of how much more of each group but the first was recalled just before its own turn than
    before any training.
    """
    matrix = [row["recall"] for row in rows[1:]]
    last = len(matrix) - 1
    scored = [j for j in range(last + 1) if matrix[last][j] is not None]
    earlier = [j for j in scored if j < last]
    later = [j for j in scored if j > 0]
    best = {j: max(matrix[i][j] for i in range(j, last + 1) if matrix[i][j] is not None) for j in earlier}
    return {
        "groups": [sorted(group) for group in groups],
        "before": rows[0],
        "after": list(rows[1:]),
        "accuracy": mean([matrix[last][j] for j in scored]),
        "backward_transfer": mean([matrix[last][j] - matrix[j][j] for j in earlier if matrix[j][j] is not None]),
        "forward_transfer": mean(
            [matrix[j - 1][j] - rows[0]["recall"][j] for j in later if matrix[j - 1][j] is not None]
        ),
        "forgetting": mean([best[j] - matrix[last][j] for j in earlier if matrix[j][j] is not None]),
    }


def summarise_stream(path: Path) -> str:
    """The record's figures as a line."""
    record = json.loads(path.read_text(encoding="utf-8"))
    shown = [f"{name.replace('_', ' ')} {record[name]:.1%}" for name in FIGURES if record[name] is not None]
    return ", ".join(shown) or "no question is about its documents"


def mean(values: Sequence[float]) -> float | None:
    """Their mean; None of nothing."""
    return sum(values) / len(values) if values else None
