"""Turns folders, globs, URLs and datasets into documents, one at a time, and says of the rest why it is none."""

from collections.abc import Callable, Iterator
from pathlib import Path

from augment.documents.base import LEAVE_OUT, CannotReadError, Unreadable
from augment.documents.convert_worker import CONVERTERS
from augment.documents.converted import read_converted
from augment.documents.files import FILE_ERRORS, File, find_files
from augment.documents.hub import read_dataset
from augment.documents.settings import Columns, Documents, HubDataset
from augment.documents.tables import read_csv, read_jsonl, read_parquet
from augment.documents.text import read_text
from augment.documents.unique import SeenIds
from augment.documents.unreadable import TABLE, UnreadableTable
from augment.errors import DocumentError
from augment.records import Document

__all__ = [
    "TABLE",
    "Columns",
    "Documents",
    "HubDataset",
    "Unreadable",
    "UnreadableTable",
    "iterate_documents",
    "read_documents",
]

READERS: dict[str, Callable[[File, Documents], Iterator[Document | Unreadable]]] = {
    ".md": read_text,
    ".markdown": read_text,
    ".txt": read_text,
    **dict.fromkeys(CONVERTERS, read_converted),
    ".jsonl": read_jsonl,
    ".csv": read_csv,
    ".parquet": read_parquet,
}


def read_documents(options: Documents, base: Path) -> tuple[list[Document], list[Unreadable]]:
    """All documents in order of their path, and one row for each file or table row that was skipped."""
    found = list(iterate_documents(options, base))
    return [d for d in found if isinstance(d, Document)], [u for u in found if isinstance(u, Unreadable)]


def iterate_documents(options: Documents, base: Path, out: Path | None = None) -> Iterator[Document | Unreadable]:
    """Documents in order of their path, as they are read: no more than one, or one Arrow batch, is in memory.

    What a run wrote to `out` is no document, wherever that folder lies. What cannot be read comes as `Unreadable` in
    its place, or is raised as DocumentError with `on_unreadable: stop`. Raises DocumentError when the source cannot be
    opened or, at its end, held no readable document.
    """
    num_documents, first = 0, None
    for item in refuse_repeated(find_documents(options, base, out), options):
        if isinstance(item, Unreadable):
            if options.on_unreadable == "stop":
                raise item.error
            first = first or item
        yield item
        num_documents += isinstance(item, Document)
        if num_documents == options.limit:
            return
    if not num_documents:
        why = f" ({first.source} {first.reason})" if first else ""
        raise DocumentError(f"no readable document in {options.path}{why}", first.todo if first else "add documents")


def refuse_repeated(found: Iterator[Document | Unreadable], options: Documents) -> Iterator[Document | Unreadable]:
    """The same, without documents whose `id` column says what an earlier one said: their notes could not be told
    apart. Ids that are made here never repeat.
    """
    seen = SeenIds() if options.columns.id else None
    for item in found:
        if seen is None or isinstance(item, Unreadable) or seen.add(item.id):
            yield item
        else:
            reason = f"has the id {item.id!r:.80} a second time"
            yield Unreadable(item.source, f"{item.id} (repeated)", reason, "give every row an id of its own")


def find_documents(options: Documents, base: Path, out: Path | None) -> Iterator[Document | Unreadable]:
    """Everything that the source holds."""
    if options.dataset is not None:
        yield from read_dataset(options, options.dataset, base)
        return
    for item in find_files(options.path, options.include, base, out):
        if isinstance(item, Unreadable):
            yield item
        else:
            yield from read_file(item, options)


def read_file(file: File, options: Documents) -> Iterator[Document | Unreadable]:
    """The documents of one file, and why there are none or no more."""
    try:
        if (reader := READERS.get(file.suffix)) is None:
            raise CannotReadError(f"is not a {', '.join(READERS)} file", f"convert it, or {LEAVE_OUT}")
        yield from reader(file, options)
    except CannotReadError as error:
        yield Unreadable(file.source, file.id, error.reason, error.todo)
    except FILE_ERRORS as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        yield Unreadable(file.source, file.id, f"cannot be read ({reason})", f"mend it, or {LEAVE_OUT}")
