"""Chooses the documents whose notes are held out, so that no document has notes on both sides."""

import hashlib
from pathlib import Path

from augment.batches import read_batches
from augment.errors import DatasetError


def choose_documents(folder: Path, share: float) -> set[str]:
    """About `share` of the documents with kept notes, by hash of their id: a document stays where it was when others
    come. At least one is chosen and one is left; raises DatasetError when there are fewer than two.
    """
    names: set[str] = set()
    for table in read_batches(folder, ["train"], ["document_id"]):
        names.update(table["document_id"].unique().to_pylist())
    if len(names) < 2:
        raise DatasetError(f"{folder} has notes about {len(names)} documents", "a split by document needs two")
    ranked = sorted(names, key=draw_of)
    num_chosen = sum(draw_of(name) < share for name in ranked)
    return set(ranked[: min(max(num_chosen, 1), len(ranked) - 1)])


def draw_of(document_id: str) -> float:
    """A number in [0, 1) that depends on the id alone."""
    return int.from_bytes(hashlib.blake2b(document_id.encode(), digest_size=6).digest()) / 2**48
