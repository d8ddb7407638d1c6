"""Turns ids of 32 hex digits into a set of 16 bytes each: millions of units in sorted arrays, not in strings."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Packed = NDArray[np.bytes_]


def pack_ids(ids: Sequence[str]) -> Packed:
    """Ids as `content_id` makes them, as an array of 16-byte items of the same length."""
    return np.frombuffer(bytes.fromhex("".join(ids)), dtype="S16")


class Digests:
    """A set that grows by batches; a look-up takes a binary search in each of at most log(n) sorted runs.

    Runs are merged like the digits of a binary counter, so that n digests are sorted log(n) times in all.
    """

    def __init__(self) -> None:
        self.runs: list[Packed] = []

    def __len__(self) -> int:
        return sum(len(run) for run in self.runs)

    def contains(self, digests: Packed) -> NDArray[np.bool_]:
        """For each digest whether it is in the set."""
        found = np.zeros(len(digests), dtype=bool)
        for run in self.runs:
            places = np.minimum(np.searchsorted(run, digests), len(run) - 1)
            found |= run[places] == digests
        return found

    def add(self, digests: Packed) -> NDArray[np.bool_]:
        """Put the digests into the set; for each whether it is new, the second of two equal ones is not."""
        unique, first = np.unique(digests, return_index=True)
        known = self.contains(unique)
        new = np.zeros(len(digests), dtype=bool)
        new[first[~known]] = True
        if len(fresh := unique[~known]):
            self.runs.append(fresh)
            self.merge_runs()
        return new

    def merge_runs(self) -> None:
        """Merge the newest runs until each is at least twice as long as the next."""
        while len(self.runs) > 1 and len(self.runs[-2]) < 2 * len(self.runs[-1]):
            both: Any = np.concatenate([self.runs.pop(), self.runs.pop()])
            both.sort()
            self.runs.append(both)

    def without(self, others: "Digests") -> "Digests":
        """The digests that are not in the other set."""
        rest = Digests()
        rest.runs = [left for run in self.runs if len(left := run[~others.contains(run)])]
        return rest
