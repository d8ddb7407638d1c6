"""Turns a prompt template and a chunk into a request's messages, in a sandbox: templates are hostile input."""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path

from jinja2 import Template as Compiled
from jinja2 import TemplateError as JinjaError
from jinja2 import meta

from augment.errors import TemplateError
from augment.records import Message, content_id
from augment.sandbox import PromptEnvironment

# What a hostile or mistaken template can raise; SecurityError is a JinjaError.
FAILURES = (
    JinjaError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
    MemoryError,
)


TURN = re.compile(r"^<<(system|user|assistant)>>$\n?", re.MULTILINE)


@dataclass(frozen=True)
class Template:
    """One prompt: its name, its source, and the hash of the source that is stored with every note.

    A line `<<assistant>>` or `<<user>>` begins another turn, so that a prompt can show answered examples. Turns are
    cut before anything is filled in: no document can add one.
    """

    name: str
    source: str

    @cached_property
    def hash(self) -> str:
        """Hash of the template's source, 16 hex digits."""
        return content_id(self.source)[:16]

    def render(self, **variables: str | int) -> list[Message]:
        """The prompt's turns. Only text and numbers go in, so a template finds no object to reach through.

        Raises TemplateError for a missing variable, a syntax error or a forbidden attribute.
        """
        try:
            environment, turns = compile_turns(self.source)
            environment.steps = 0
            return [Message(role, t if isinstance(t, str) else t.render(**variables).strip()) for role, t in turns]
        except FAILURES as error:
            line = getattr(error, "lineno", None)
            where = f"template {self.name}" + (f", line {line}" if line else "")
            known = ", ".join(sorted(variables)) or "none"
            raise TemplateError(f"{where}: {error}", f"known variables: {known}") from error


@lru_cache(maxsize=256)
def compile_turns(source: str) -> tuple[PromptEnvironment, list[tuple[str, Compiled | str]]]:
    """The environment, which counts what a render takes; of each turn the role and the compiled text, plain text where
    nothing is filled in.

    Compiling takes ten times as long as rendering: once per source.
    """
    environment = PromptEnvironment()
    first, *others = TURN.split(source)
    parts = [("user", first)] if first.strip() else []
    parts += zip(others[::2], others[1::2], strict=True)
    turns = [(role, environment.from_string(text) if "{" in text else text.strip()) for role, text in parts]
    return environment, turns


def check_template(template: Template) -> None:
    """Raise TemplateError for a template that nothing can fill: it is broken, or reaches for what it may not.

    It is tried with texts, then with numbers, for whatever variables it names.
    """
    errors = []
    for value in ("text", 3):
        try:
            template.render(**dict.fromkeys(variables_of(template.source), value))
            return
        except TemplateError as error:
            errors.append(error)
    if len({type(error.__cause__) for error in errors}) == 1:
        raise errors[0]


def variables_of(source: str) -> set[str]:
    """The variables that a template names; none where it is broken."""
    try:
        return meta.find_undeclared_variables(PromptEnvironment().parse(source))
    except FAILURES:
        return set()


def load_template(name: str, folder: Path | None = None, package: str = "prompts") -> Template:
    """The template `name` from the user's folder, else from those in the importable `package`."""
    try:
        shipped = resources.files(package) / f"{name}.jinja"
    except ModuleNotFoundError as error:
        raise TemplateError(f"no package {package} of templates ({error})", "name it in Strategy.prompts") from None
    own = folder / f"{name}.jinja" if folder else None
    if own and own.is_file():
        try:
            return Template(name, own.read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            raise TemplateError(f"{own} is not UTF-8 text (byte {error.start})", "save it as UTF-8") from None
    if shipped.is_file():
        return Template(name, shipped.read_text(encoding="utf-8"))
    raise TemplateError(f"no prompt template {name}", f"write {own or 'prompts'}/{name}.jinja")
