"""The documents that notes are about: their text, the chunks that were studied, and what a prompt shows of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from augment.config import AugmentFile
from augment.documents import iterate_documents
from augment.errors import ConfigError, DatasetError
from augment.records import Document
from augment.shards import read_rows

Span = tuple[str, int, int]  # document id, first character, character after the last


@dataclass(frozen=True, slots=True)
class Passages:
    """Documents by id, and the spans of them that the dataset has notes about."""

    documents: dict[str, Document]
    spans: tuple[Span, ...]

    def text(self, span: Span) -> str:
        """The chunk with its document's title above it. Raises DatasetError when the document is there no more."""
        if span[0] not in self.documents:
            raise DatasetError(f"the document {span[0]} cannot be read any more", "put it back, or augment again")
        document = self.documents[span[0]]
        return with_title(document, document.text[span[1] : span[2]])


def with_title(document: Document, text: str) -> str:
    """The text as a prompt shows it."""
    return f"{document.title}\n\n{text.strip()}" if document.title else text.strip()


def read_passages(notes: Path, augment: Any, base: Path) -> Passages:
    """The documents of a pipeline file's `augment:` part of which the dataset has a kept note."""
    spans = read_spans(notes)
    if augment is None:
        raise ConfigError("the pipeline file has no augment.documents to read", "name the documents of the notes")
    try:
        settings = AugmentFile.model_validate({"out": "unused", "augment": augment})
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise ConfigError(f"{place} is wrong ({error.errors()[0]['msg']})", "see `augment plan` on the file") from None
    wanted = {span[0] for span in spans}
    found: Iterable[Any] = iterate_documents(settings.augment.documents, base)
    documents = {d.id: d for d in found if isinstance(d, Document) and d.id in wanted}
    return Passages(documents, spans)


def read_spans(notes: Path) -> tuple[Span, ...]:
    """The distinct chunks that kept notes are about, in order."""
    rows = read_rows(notes, "train", ["document_id", "start", "end"])
    return tuple(sorted({(row["document_id"], row["start"], row["end"]) for row in rows}))
