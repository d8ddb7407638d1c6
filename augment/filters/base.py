"""Settings of the filters, and the shape of a rule."""

from collections.abc import Callable

from pydantic import Field

from augment.records import Chunk, Note
from augment.settings import Settings


class Filters(Settings):
    """Limits of the rules. `max_copy_share` is the share of a note's 8-word sequences found in its chunk; `plugins`
    names rules of installed packages to ask after those that ship.
    """

    min_words: int = Field(default=4, ge=1)
    max_copy_share: float = Field(default=0.8, gt=0, le=1)
    plugins: list[str] = Field(default_factory=list)


Rule = Callable[[Note, Chunk, Filters], bool]
