"""Exports the kept notes of a dataset to a file, or to a folder of splits; nothing is half-written."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from augment.batches import read_batches
from augment.errors import DatasetError
from augment.export.documents import choose_documents
from augment.export.forms import Examples
from augment.export.llama_factory import describe_files
from augment.export.writers import WRITERS, Writer
from augment.json_file import write_json
from augment.models import write_whole
from augment.whole import replace_file

FileType = Literal["jsonl", "parquet"]
OTHER_FILES = {".json", ".csv", ".tsv", ".txt", ".arrow", ".gz", ".zst", ".yaml"}


def export_file(folder: Path, examples: Examples, to: Path) -> dict[str, int]:
    """Write all kept notes to one .jsonl or .parquet file; returns its name and number of rows."""
    check_target(to)
    with parents_of(to), replace_file(to) as staging:
        counts = write_splits(folder, examples, {to.name: staging}, to.suffix[1:], set())
        check_counts(folder, counts)
    return counts


def export_folder(
    folder: Path, examples: Examples, to: Path, file_type: FileType, validation_share: float
) -> dict[str, int]:
    """Write `train`, `validation` when a share above 0 of the documents is held out, and LLaMA-Factory's description.

    Returns names of files and numbers of rows.
    """
    check_target(to)
    held_out = choose_documents(folder, validation_share) if validation_share else set()
    names = [f"train.{file_type}", *([f"validation.{file_type}"] if held_out else [])]
    counts: dict[str, int] = {}

    def fill(staging: Path) -> None:
        counts.update(write_splits(folder, examples, {n: staging / n for n in names}, file_type, held_out))
        check_counts(folder, counts)
        write_json(describe_files(examples.form, names), staging / "dataset_info.json")
        for name in names:
            flush(staging / name)

    with parents_of(to):
        write_whole(to, fill)
    return counts


@contextmanager
def parents_of(to: Path) -> Iterator[None]:
    """Make the folders above a path; those that were missing go again when the block fails."""
    missing = [folder for folder in to.parents if not folder.exists()]
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()
        raise


def write_splits(
    folder: Path, examples: Examples, paths: dict[str, Path], file_type: str, held_out: set[str]
) -> dict[str, int]:
    """Write each note to the first path, or to the second when its document is held out; returns numbers of rows."""
    counts = dict.fromkeys(paths, 0)
    columns = [*examples.columns, *({"document_id"} - set(examples.columns))]
    with ExitStack() as stack:
        writers = {n: stack.enter_context(WRITERS[file_type](p, examples.schema)) for n, p in paths.items()}
        for notes in read_batches(folder, ["train"], columns):
            for (name, writer), part in zip(writers.items(), split_notes(notes, held_out), strict=True):
                counts[name] += write_part(examples, part, writer)
    return counts


def split_notes(notes: pa.Table, held_out: set[str]) -> list[pa.Table]:
    """Notes to train on and, when documents are held out, those of them."""
    if not held_out:
        return [notes]
    chosen = pc.is_in(notes["document_id"], pa.array(sorted(held_out), pa.string()))
    return [notes.filter(pc.invert(chosen)), notes.filter(chosen)]


def write_part(examples: Examples, notes: pa.Table, writer: Writer) -> int:
    """Append notes as examples; an empty table would become an empty row group."""
    if notes.num_rows:
        writer.write_table(examples.convert(notes))
    return int(notes.num_rows)


def check_target(to: Path) -> None:
    """Raise DatasetError when the path exists or names a format that is not written."""
    if to.suffix in OTHER_FILES:
        raise DatasetError(f"--to {to}: {to.suffix} is not written", "give a .jsonl or .parquet file, or a folder")
    if to.exists() and not (to.is_dir() and not any(to.iterdir())):
        raise DatasetError(f"--to {to} exists", "remove it or give another path")


def check_counts(folder: Path, counts: dict[str, int]) -> None:
    """Raise DatasetError when no note was kept."""
    if not any(counts.values()):
        raise DatasetError(f"{folder} has no kept note", "see `augment stats` for the reasons of those rejected")


def flush(path: Path) -> None:
    """Make the file's content survive a power cut."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
