"""The rules in the order in which they are asked; the first that objects names the reason.

Those of installed packages (entry points `ingrain.filters`) are asked when `augment.filters.plugins` names them.
"""

import difflib
from collections.abc import Callable

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
from augment.plugins import Registry
from augment.records import Chunk, Note

SHIPPED: dict[str, Rule] = {
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
RULES: Registry[Rule] = Registry("ingrain.filters", Callable, SHIPPED)
AFTER = ("duplicate", "near_duplicate")  # what is asked once a note's neighbours are known


def check_names(options: Filters) -> None:
    """Raise ConfigError for a plugin that is not installed, PluginError for one that does not load."""
    for name in options.plugins:
        if name not in RULES.installed:
            known = ", ".join(RULES.installed) or "none"
            todo = f"pip install the package that brings it; installed are {known}"
            raise ConfigError(f"augment.filters.plugins names {name}, which no installed package brings", todo)
        RULES[name]


def check_filters(options: Filters) -> None:
    """Raise ConfigError for a rule that is named and does not exist, and for questions that cannot be read."""
    check_names(options)
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
    asked = (*RULES.shipped, *options.plugins)
    names = (name for name in asked if name not in exempt and name not in options.off)
    return next((name for name in names if objects(name, note, chunk, options)), "")


def objects(name: str, note: Note, chunk: Chunk, options: Filters) -> bool:
    """The verdict of one rule."""
    try:
        return RULES[name](note, chunk, options)
    except Exception as error:  # a plugin can raise anything
        RULES.blame(name, error)
