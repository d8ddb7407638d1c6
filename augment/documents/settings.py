"""The `augment.documents` part of a pipeline file: which documents are read."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from augment.settings import Settings


def check_pattern(pattern: str) -> str:
    """Raise ValueError for a glob pattern that is empty or could lead out of the folder."""
    parts = pattern.split("/")
    if not pattern or parts[0] == "":
        raise ValueError("a pattern is relative to the documents folder, like **/*.md")
    if ".." in parts:
        raise ValueError("a pattern may not leave the documents folder with ..")
    if any("**" in part and part != "**" for part in parts):
        raise ValueError("** stands alone between slashes, like **/*.md")
    return pattern


Pattern = Annotated[str, AfterValidator(check_pattern)]


class Columns(Settings):
    """Which columns of a table, or keys of a JSON line, hold a document; without `id` its id is `path#row`."""

    text: str = "text"
    title: str | None = None
    id: str | None = None


class HubDataset(Settings):
    """Which part of a Hugging Face dataset is read. `config` is the name of a subset."""

    split: str = "train"
    config: str | None = None
    revision: str | None = None


class Documents(Settings):
    """Which documents are read. `path` is a folder, a file or a glob, relative to the pipeline file, or a URL.

    With `dataset`, `path` is a Hugging Face dataset: a folder or a name on the Hub. `limit` counts documents.
    """

    path: str
    include: list[Pattern] = Field(default=["**/*"], min_length=1)
    columns: Columns = Columns()
    dataset: HubDataset | None = None
    limit: int | None = Field(default=None, ge=1)
    max_file_mb: int = Field(default=256, ge=1)
    max_convert_sec: float = Field(default=120, gt=0)
    on_unreadable: Literal["skip", "stop"] = "skip"
