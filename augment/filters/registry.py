"""The rules in the order in which they are asked; the first that objects names the reason."""

import difflib

from augment.errors import ConfigError
from augment.filters.base import Filters, Rule
from augment.filters.boilerplate import boilerplate, refusal
from augment.filters.copy import copy
from augment.filters.language import wrong_language
from augment.filters.leakage import load_questions
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


AFTER = ("duplicate", "near_duplicate")  # what is asked once a note's neighbours are known


def check_filters(options: Filters) -> None:
    """Raise ConfigError for a rule that is switched off and does not exist, and for questions that cannot be read."""
    known = [*RULES, *AFTER]
    for name in options.off:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            todo = f"did you mean {near[0]}?" if near else f"known rules: {', '.join(known)}"
            raise ConfigError(f"augment.filters.off names an unknown rule {name}", todo)
    if options.leakage:
        load_questions(options.leakage.path)


def find_reason(note: Note, chunk: Chunk, options: Filters, exempt: frozenset[str]) -> str:
    """Why the note is rejected, "" when it is kept."""
    if note.problem:
        return note.problem
    asked = (name for name in RULES if name not in exempt and name not in options.off)
    return next((name for name in asked if RULES[name](note, chunk, options)), "")
