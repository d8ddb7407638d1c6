"""A pipeline file as the stages of `train` see it: where things are, what the runs depend on, and shared inputs."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from augment.errors import DatasetError
from augment.shards import count_rows, read_rows
from train.activations import States
from train.config import TrainFile
from train.corpus import read_corpus
from train.data import Batch, Corpus, encode_windows, group_by_tokens, pad, read_lines
from train.grid import Cell, list_cells
from train.model import Loaded, load_model
from train.passages import Passages, read_passages
from train.peers import ALONE, Peers
from train.replay import question_texts

Say = Callable[[str], None]


@dataclass(frozen=True)
class Stage:
    """A pipeline file and the folder its input paths are relative to. What several runs need is read once.

    `part` is the folder below `out` that holds the runs, `peers` are the workers that train them.
    """

    settings: TrainFile
    base: Path
    part: str = "train"
    corpora: dict[str, Corpus] = field(default_factory=dict)
    states: States = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    peers: Peers = ALONE

    @property
    def notes(self) -> Path:
        """The dataset that `augment` wrote."""
        return Path(self.settings.out) / "notes"

    @property
    def runs(self) -> Path:
        """Where the runs are."""
        return Path(self.settings.out) / self.part

    @cached_property
    def cells(self) -> list[Cell]:
        """The runs that the file asks for."""
        return list_cells(self.settings)

    @cached_property
    def passages(self) -> Passages:
        """The documents that the notes are about."""
        return read_passages(self.notes, self.settings.augment, self.base)

    @cached_property
    def reference(self) -> Loaded:
        """The base model as it is, to compare runs to; it stays in memory with the stage."""
        return load_model(self.settings.model)

    def folder(self, cell: Cell) -> Path:
        """Where a run is."""
        return self.runs / cell.name

    def corpus(self, loaded: Loaded, objective: str) -> Corpus:
        """The notes in the model's tokens; for distillation with the log-probabilities that they brought along."""
        if objective not in self.corpora:
            revision = loaded.folder.revision if objective == "distill" else ""
            data = self.settings.train.data
            self.corpora[objective] = read_corpus(self.notes, self.base, data, loaded.tokenizer, revision)
        return self.corpora[objective]

    def trained_documents(self) -> list[str]:
        """Ids of the documents that have a kept note."""
        return sorted(count_rows(read_rows(self.notes, "train", ["document_id"]), "document_id"))

    def background(self, loaded: Loaded) -> tuple[list[Batch], list[Batch]]:
        """Batches of background passages and of background question-answer texts, of the training batch's size."""
        data = self.settings.train.data
        passages = [p["text"] for p in read_lines(self.base / data.passages, "text")[: data.num_background]]
        return self.batches_of(passages, loaded), self.batches_of(question_texts(data, self.base), loaded)

    def held_out_texts(self) -> list[str]:
        """The passages that are neither background nor replay. Raises DatasetError when there are none."""
        data = self.settings.train.data
        texts = [p["text"] for p in read_lines(self.base / data.passages, "text")[data.num_background :]]
        if not texts:
            raise DatasetError(f"{data.passages} has no passage after the first {data.num_background}", "add some")
        return texts

    def held_out(self, loaded: Loaded) -> list[Batch]:
        """Batches of these passages."""
        return self.batches_of(self.held_out_texts(), loaded)

    def batches_of(self, texts: list[str], loaded: Loaded) -> list[Batch]:
        """Texts as padded batches of about `tokens_per_batch`."""
        data = self.settings.train.data
        windows = encode_windows(texts, loaded.tokenizer, data.max_length)
        return [pad(group) for group in group_by_tokens(windows, data.tokens_per_batch)]

    def inputs(self, cell: Cell) -> dict[str, Any]:
        """What a run's weights depend on."""
        axes = {"methods", "objectives", "mixes", "replay_shares", "seeds"}
        no_matter = {"cache_activations", "checkpoint_every", "keep", "sweep", "tracking", "workers"}
        train = self.settings.train.model_dump(mode="json", exclude=axes | no_matter)
        if train["watch"] and not train["watch"]["at_steps"]:
            del train["watch"]["at_steps"]  # runs of before there were any stay valid
        return {
            "train": train,
            "notes": dataset_fingerprint(self.notes),
            "model": self.settings.model,
            "options": cell.options.model_dump(mode="json", exclude={"objective"}),  # it is the cell's
            **cell.as_json(),
        }


def dataset_fingerprint(notes: Path) -> str:
    """What identifies the dataset's kept notes."""
    path = notes / "train" / "state.json"
    if not path.is_file():
        raise DatasetError(f"{notes} holds no dataset of notes", "run `augment run` on the same file first")
    return str(json.loads(path.read_text(encoding="utf-8"))["_fingerprint"])
