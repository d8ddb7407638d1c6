"""The rules in the order in which they are asked; the first that objects names the reason.

Those of installed packages (entry points `ingrain.filters`) are asked when `augment.filters.plugins` names them.
"""

from collections.abc import Callable

from augment.errors import ConfigError
from augment.filters.base import Filters, Rule
from augment.filters.boilerplate import boilerplate, refusal
from augment.filters.copy import copy
from augment.filters.length import too_short
from augment.filters.support import unsupported
from augment.filters.truncated import truncated
from augment.plugins import Registry
from augment.records import Chunk, Note

SHIPPED: dict[str, Rule] = {
    "truncated": truncated,
    "refusal": refusal,
    "boilerplate": boilerplate,
    "too_short": too_short,
    "copy": copy,
    "unsupported": unsupported,
}
RULES: Registry[Rule] = Registry("ingrain.filters", Callable, SHIPPED)


def check_names(options: Filters) -> None:
    """Raise ConfigError for a plugin that is not installed, PluginError for one that does not load."""
    for name in options.plugins:
        if name not in RULES.installed:
            known = ", ".join(RULES.installed) or "none"
            todo = f"pip install the package that brings it; installed are {known}"
            raise ConfigError(f"augment.filters.plugins names {name}, which no installed package brings", todo)
        RULES[name]


def find_reason(note: Note, chunk: Chunk, options: Filters, exempt: frozenset[str]) -> str:
    """Why the note is rejected, "" when it is kept."""
    if note.problem:
        return note.problem
    names = [name for name in (*RULES.shipped, *options.plugins) if name not in exempt]
    return next((name for name in names if objects(name, note, chunk, options)), "")


def objects(name: str, note: Note, chunk: Chunk, options: Filters) -> bool:
    """The verdict of one rule."""
    try:
        return RULES[name](note, chunk, options)
    except Exception as error:  # a plugin can raise anything
        RULES.blame(name, error)
