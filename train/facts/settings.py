"""The `facts:` part of a pipeline file: which question sets an experiment is made of, and how large it is."""

from typing import Any, Self

from pydantic import Field, model_validator

from augment.models import EMBEDDED
from augment.settings import Settings


class Source(Settings):
    """A question set or passages: JSON lines at `path`, relative to the pipeline file, or a Hugging Face dataset.

    Where both are given the file is read if it is there. `name` begins the ids of the questions that are kept.
    """

    name: str = Field(default="q", pattern=r"^[a-z0-9_]+$")
    path: str | None = None
    dataset: str | None = None
    config: str | None = None
    split: str = "validation"

    @model_validator(mode="after")
    def check_place(self) -> Self:
        """There is something to read."""
        if self.path is None and self.dataset is None:
            raise ValueError("name a file as `path` or a Hugging Face dataset as `dataset`")
        return self


class PassageDocuments(Settings):
    """`number` passages become documents to learn; at most `num_questions` of each passage's own are asked."""

    number: int = Field(default=100, ge=1)
    num_questions: int = Field(default=5, ge=1)


class Facts(Settings):
    """What is learned (`learn`: one document for each question and answer; `documents`: passages), kept and protected.

    `skip`: so many facts that the base does not know are passed over first, to have another set for other settings.
    `num_keep` questions of `keep` are asked; with `only_known` those that the base answers go into the known set alone.
    `num_probed` more questions of `learn` are asked, to find some that the base answers.
    `num_background` pairs, and `num_passages` general texts, are disjoint from what is learned and from what is kept.
    """

    learn: Source | None = None
    keep: Source
    passages: Source
    documents: PassageDocuments | None = None
    num_facts: int = Field(default=100, ge=1)
    skip: int = Field(default=0, ge=0)
    num_keep: int = Field(default=500, ge=1)
    num_probed: int = Field(default=0, ge=0)
    only_known: bool = False
    num_background: int = Field(default=400, ge=1)
    num_passages: int = Field(default=120, ge=2)
    max_answer_words: int = Field(default=5, ge=1)
    max_question_words: int = Field(default=30, ge=1)
    max_new_tokens: int = Field(default=12, ge=1)
    batch_size: int = Field(default=32, ge=1)

    @model_validator(mode="after")
    def check_kind(self) -> Self:
        """Facts come from one place."""
        if (self.learn is None) == (self.documents is None):
            raise ValueError("give either `learn` (questions) or `documents` (passages)")
        return self


class FactsFile(Settings):
    """A pipeline file as `train facts` reads it; the other parts are theirs to check."""

    model: str = EMBEDDED
    out: str
    seed: int = 0
    facts: Facts
    augment: Any = None
    train: Any = None
    evaluate: Any = None
