"""The rules in the order in which they are asked; the first that objects names the reason."""

from augment.filters.base import Filters, Rule
from augment.filters.boilerplate import boilerplate, refusal
from augment.filters.copy import copy
from augment.filters.language import wrong_language
from augment.filters.length import too_long, too_short
from augment.filters.repetition import repetition
from augment.filters.support import unsupported
from augment.filters.truncated import truncated
from augment.records import Chunk, Note

RULES: dict[str, Rule] = {
    "truncated": truncated,
    "refusal": refusal,
    "boilerplate": boilerplate,
    "too_short": too_short,
    "too_long": too_long,
    "repetition": repetition,
    "wrong_language": wrong_language,
    "copy": copy,
    "unsupported": unsupported,
}


def find_reason(note: Note, chunk: Chunk, options: Filters, exempt: frozenset[str]) -> str:
    """Why the note is rejected, "" when it is kept."""
    if note.problem:
        return note.problem
    return next((n for n, objects in RULES.items() if n not in exempt and objects(note, chunk, options)), "")
