"""What the benchmarks teach and ask: an answer told in some phrasings and asked for in others, one of 12 candidates."""

from collections.abc import Sequence
from typing import Protocol


class Fact(Protocol):
    """One thing to learn; each candidate begins with a token of its own."""

    @property
    def answer(self) -> str:
        """What is to be recalled."""
        ...

    @property
    def subject(self) -> str:
        """What the fact is about: a model can tell the answer only once it was named."""
        ...

    @property
    def thing(self) -> str:
        """What its notes are about, with those of other facts that name the same."""
        ...

    @property
    def candidates(self) -> Sequence[str]:
        """The answer and others of its kind."""
        ...

    def told(self) -> list[str]:
        """The six training phrasings; the answer is where it last stands in each."""
        ...

    def asked(self) -> dict[str, str]:
        """Held-out phrasings by name, `question` and `cloze` among them; the answer comes next."""
        ...
