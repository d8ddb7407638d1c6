"""Draws texts that do not depend on the order of commits: those of the smallest note ids, which are hashes."""

from collections.abc import Iterable


class Sample:
    """At most `size` texts out of any number, in flat memory; the same notes always give the same sample.

    A note's id hashes the run's seed with all that it was made from, so the smallest ids are a uniform draw.
    """

    def __init__(self, size: int) -> None:
        self.size, self.chosen, self.bound = size, list[tuple[str, str]](), ""

    def add(self, note_ids: Iterable[str], texts: Iterable[str]) -> None:
        """Take those that are smaller than the largest one of a full sample."""
        pairs = zip(note_ids, texts, strict=True)
        self.chosen += [pair for pair in pairs if not self.bound or pair[0] < self.bound]
        if len(self.chosen) > 2 * self.size:
            self.cut()

    def cut(self) -> None:
        """Keep the smallest ids."""
        self.chosen = sorted(self.chosen)[: self.size]
        if len(self.chosen) == self.size:
            self.bound = self.chosen[-1][0]

    def texts(self) -> list[str]:
        """The sample, in order of its ids."""
        self.cut()
        return [text for _, text in self.chosen]
