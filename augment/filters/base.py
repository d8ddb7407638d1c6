"""Settings of the filters, and the shape of a rule."""

from collections.abc import Callable
from typing import Literal

from pydantic import Field

from augment.records import Chunk, Note
from augment.settings import Settings


class Leakage(Settings):
    """Questions that an evaluation will ask: a jsonl file with a `question` in each line, relative to the pipeline
    file. A note that repeats `min_share` of a question's 3-word sequences is flagged, and dropped where that is set.
    """

    path: str
    min_share: float = Field(default=0.8, gt=0, le=1)
    drop: bool = True


Verdict = Literal["supported", "contradicted", "not stated", "unparsed"]


class Judge(Settings):
    """The engine itself reads each kept note beside its source; notes with a verdict in `reject` are rejected."""

    reject: tuple[Verdict, ...] = ("contradicted", "not stated")


class Filters(Settings):
    """Limits of the rules; `off` names those that are not asked.

    `max_copy_share` is the share of a note's 8-word sequences found in its chunk; `support` says whether names and
    numbers may come from the whole document; `language` is an ISO 639-1 code, `source` for the chunk's own, or null.
    `plugins` names rules of installed packages to ask after those that ship.
    `max_similarity` is the Jaccard similarity of 3-word sequences from which a note repeats another of its document.
    """

    off: list[str] = Field(default_factory=list)
    min_words: int = Field(default=4, ge=1)
    max_words: int = Field(default=1000, ge=1)
    max_copy_share: float = Field(default=0.8, gt=0, le=1)
    plugins: list[str] = Field(default_factory=list)
    max_repeated_lines: float = Field(default=0.3, ge=0, le=1)
    max_repeated_words: float = Field(default=0.6, ge=0, le=1)
    language: str | None = Field(default="source", pattern=r"^(source|[a-z]{2,3}(-[A-Za-z]+)?)$")
    min_language_characters: int = Field(default=60, ge=1)
    support: Literal["chunk", "document"] = "chunk"
    max_similarity: float = Field(default=0.85, gt=0, le=1)
    leakage: Leakage | None = None
    judge: Judge | None = None


Rule = Callable[[Note, Chunk, Filters], bool]
