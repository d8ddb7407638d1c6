"""Tells whether a document's id was there before, in some sixteen bytes a document, so that a source may be long."""

from array import array
from hashlib import blake2b

FIRST_SIZE = 1 << 12


class SeenIds:
    """A set of 64-bit hashes in an array with open addressing. Of a million ids one is mistaken for another with a
    probability of 3e-8.
    """

    def __init__(self) -> None:
        self.table, self.number = array("Q", bytes(8 * FIRST_SIZE)), 0

    def add(self, document_id: str) -> bool:
        """Whether the id is new; it is not when it comes again."""
        hashed = int.from_bytes(blake2b(document_id.encode(), digest_size=8).digest()) or 1  # 0 is an empty place
        place = self.find(hashed)
        if self.table[place]:
            return False
        self.table[place] = hashed
        self.number += 1
        if self.number * 2 > len(self.table):
            self.grow()
        return True

    def find(self, hashed: int) -> int:
        """Where the hash is, or would be."""
        place = hashed % len(self.table)
        while self.table[place] not in (0, hashed):
            place = (place + 1) % len(self.table)
        return place

    def grow(self) -> None:
        """Twice as many places."""
        old, self.table = self.table, array("Q", bytes(16 * len(self.table)))
        for hashed in filter(None, old):
            self.table[self.find(hashed)] = hashed
