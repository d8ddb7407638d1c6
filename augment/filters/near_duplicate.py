"""Turns rows of kept notes into verdicts on those that nearly repeat an earlier note of their document (MinHash)."""

import re
from collections import OrderedDict
from collections.abc import Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from augment.schema import Row
from augment.shards import read_rows

if TYPE_CHECKING:
    from rensa import RMinHash

NUM_PERMUTATIONS, NUM_BANDS = 128, 16  # 8 rows a band: of notes that are alike to .85, 99.4 % meet in one
SHINGLE_WORDS, SHINGLE_CHARACTERS = 3, 5
MAX_NOTES = 100_000  # that are remembered; the documents longest without a note are forgotten first
WORD = re.compile(r"\w+")
NUMBER = re.compile(r"\d+")
NAME = "near_duplicate"


class Known:
    """The kept notes of one document."""

    def __init__(self, threshold: float) -> None:
        from rensa import RMinHashLSH

        self.index: RMinHashLSH = RMinHashLSH(threshold, NUM_PERMUTATIONS, NUM_BANDS)
        self.notes: list[tuple[str, RMinHash, frozenset[str]]] = []

    def add(self, note_id: str, signature: "RMinHash", numbers: frozenset[str]) -> None:
        """Remember a note that is kept."""
        self.index.insert(len(self.notes), signature)
        self.notes.append((note_id, signature, numbers))

    def find_nearest(self, signature: "RMinHash", numbers: frozenset[str]) -> tuple[float, str]:
        """Estimated Jaccard similarity and note_id of the nearest note; (0, "") when none shares a band.

        A note with a number that the other has not says something else, however alike they are.
        """
        found = [self.notes[i] for i in self.index.query(signature)]
        return max(((signature.jaccard(s), name) for name, s, known in found if numbers <= known), default=(0.0, ""))


class NearDuplicates:
    """Remembers the kept notes of each document and finds those that come too near to one of them."""

    def __init__(self, max_similarity: float, max_notes: int = MAX_NOTES) -> None:
        self.max_similarity, self.max_notes, self.num_notes = max_similarity, max_notes, 0
        self.documents: OrderedDict[str, Known] = OrderedDict()

    def learn(self, folder: Path, documents: Set[str]) -> None:
        """Remember the kept notes of these documents that a dataset holds."""
        for row in read_rows(folder, "train", ["document_id", "note_id", "text"]):
            if row["document_id"] in documents:
                self.add(row)

    def name_exact(self, table: pa.Table, reason: str) -> pa.Table:
        """The table with the id of what each exact duplicate (`reason`) repeats, "" where that is forgotten."""
        found = {}
        for i in np.flatnonzero(pc.equal(table["reason"], reason).to_numpy()).tolist():
            known, text = self.documents.get(table["document_id"][i].as_py()), table["text"][i].as_py()
            similarity, note_id = known.find_nearest(sign(text), numbers_of(text)) if known else (0.0, "")
            found[i] = (similarity if note_id else 1.0, note_id)
        return reject_near(table, found, reason) if found else table

    def judge(self, table: pa.Table) -> pa.Table:
        """The same rows, those kept ones rejected that nearly repeat an earlier one, with its id and similarity.

        The table itself comes back when there is none.
        """
        columns = ("document_id", "note_id", "text", "verdict")
        rows = [
            dict(zip(columns, row, strict=True)) for row in zip(*(table[c].to_pylist() for c in columns), strict=True)
        ]
        found = {i: near for i, row in enumerate(rows) if row["verdict"] == "kept" and (near := self.add(row))}
        return reject_near(table, found) if found else table

    def add(self, row: Row) -> tuple[float, str] | None:
        """Similarity and note_id of the note that this one repeats; None, and it is remembered, when there is none."""
        document = self.documents.setdefault(row["document_id"], Known(self.max_similarity))
        self.documents.move_to_end(row["document_id"])
        signature, numbers = sign(row["text"]), numbers_of(row["text"])
        similarity, note_id = document.find_nearest(signature, numbers)
        if similarity >= self.max_similarity:
            return similarity, note_id
        document.add(row["note_id"], signature, numbers)
        self.num_notes += 1
        self.forget()
        return None

    def forget(self) -> None:
        """Drop the documents longest without a note while there are too many notes."""
        while self.num_notes > self.max_notes and len(self.documents) > 1:
            _, oldest = self.documents.popitem(last=False)
            self.num_notes -= len(oldest.notes)


def numbers_of(text: str) -> frozenset[str]:
    """The numbers in digits that a text has."""
    return frozenset(NUMBER.findall(text))


def sign(text: str) -> "RMinHash":
    """MinHash of the text's 3-word sequences; of 5 characters where words are not written apart."""
    from rensa import RMinHash

    words = WORD.findall(text.lower())
    if sum(map(len, words)) > 20 * max(len(words), 1):
        joined = "".join(words)
        shingles = [joined[i : i + SHINGLE_CHARACTERS] for i in range(len(joined) - SHINGLE_CHARACTERS + 1)]
    else:
        shingles = [" ".join(words[i : i + SHINGLE_WORDS]) for i in range(max(len(words) - SHINGLE_WORDS + 1, 1))]
    signature = RMinHash(num_perm=NUM_PERMUTATIONS, seed=0)
    signature.update(shingles)
    return signature


def reject_near(table: pa.Table, found: dict[int, tuple[float, str]], reason: str = NAME) -> pa.Table:
    """The table with these rows rejected: number of the row to similarity and note_id of what it repeats."""
    columns: dict[str, list[Any]] = {
        c: table[c].to_pylist() for c in ("verdict", "reason", "similarity", "nearest_note")
    }
    for i, (similarity, note_id) in found.items():
        for column, value in zip(columns.values(), ("rejected", reason, similarity, note_id), strict=True):
            column[i] = value
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), pa.array(values, table.schema.field(name).type))
    return table
