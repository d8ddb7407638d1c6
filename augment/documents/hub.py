"""Turns a Hugging Face dataset, from a folder or by its name on the Hub, into documents, streaming."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from augment.documents.base import CannotReadError, Unreadable
from augment.documents.rows import BATCH_ROWS, Table
from augment.documents.settings import Documents, HubDataset
from augment.errors import DocumentError
from augment.records import Document


def read_dataset(options: Documents, part: HubDataset, base: Path) -> Iterator[Document | Unreadable]:
    """One document a row. Raises DocumentError when the dataset cannot be opened or breaks off."""
    import pyarrow as pa
    from datasets.exceptions import DatasetsError

    name = options.path
    table = Table(f"{Path(name).name}/{part.split}", name, Path(name).name, options.columns)
    try:
        rows = open_dataset(name, part, base)
        table.check_columns(rows.column_names or column_names_of(rows))
        batches = rows.select_columns(table.wanted).with_format("arrow").iter(batch_size=BATCH_ROWS)
        yield from table.read_batches(batches)
    except CannotReadError as error:
        raise DocumentError(f"dataset {name} {error.reason}", error.todo) from None
    except (OSError, ValueError, DatasetsError, pa.ArrowException) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        todo = "check augment.documents.path and .dataset, and the connection to the Hub"
        raise DocumentError(f"dataset {name} cannot be read ({reason})", todo) from None


def column_names_of(rows: Any) -> list[str]:
    """The columns of a stream that does not know them before its first row."""
    return list(next((batch.column_names for batch in rows.with_format("arrow").iter(batch_size=1)), []))


def open_dataset(name: str, part: HubDataset, base: Path) -> Any:
    """The rows of one split: as saved by `save_to_disk` (memory-mapped), else whatever `load_dataset` opens."""
    from datasets import DatasetDict, load_dataset, load_from_disk

    folder = base / name
    if not folder.exists() and (name.startswith((".", "/")) or name.count("/") > 1):
        raise DocumentError(f"no dataset in {folder}", "set augment.documents.path, relative to the pipeline file")
    if not any((folder / file).is_file() for file in ("dataset_dict.json", "state.json")):
        where = str(folder) if folder.exists() else name
        return load_dataset(where, part.config, split=part.split, revision=part.revision, streaming=True)
    saved = load_from_disk(str(folder))
    if not isinstance(saved, DatasetDict):
        return saved
    if part.split not in saved:
        splits = ", ".join(saved)
        raise DocumentError(
            f"dataset {name} has no split {part.split}", f"set augment.documents.dataset.split: {splits}"
        )
    return saved[part.split]
