"""Turns a prompt template's source into compiled text that can reach nothing, and eat neither memory nor time.

Jinja2's sandbox keeps a template from attributes; this one has no methods and functions either, and counts: each item
of a loop and each call of a macro is a step, and a render takes at most MAX_STEPS of them; no text in it becomes longer
than MAX_CHARS.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jinja2 import StrictUndefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS as SHIPPED
from jinja2.runtime import Context, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

MAX_STEPS, MAX_CHARS = 10_000, 1_000_000
# What a prompt may do with its text; others could make a gigabyte out of ten characters.
OF_TEXT = "capitalize int lower title trim truncate upper".split()
OF_LISTS = "count default first last length list reverse".split()


class CountSteps(NodeTransformer):
    """Lets each loop count its items, and the operator ~ its characters."""

    def visit_For(self, node: nodes.For) -> nodes.For:
        """`for x in y` as `for x in y|each`."""
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, "each", [], [], None, None, lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:
        """`x ~ y` as `[x, y]|join`."""
        self.generic_visit(node)
        return nodes.Filter(nodes.List(node.nodes), "join", [], [], None, None, lineno=node.lineno)


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """Jinja2 for prompts: texts and numbers, loops, conditions, macros and a few filters.

    `steps` is to be 0 before a render.
    """

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, finalize=check_text)
        self.steps = 0
        self.globals.clear()
        self.filters = {name: SHIPPED[name] for name in OF_LISTS} | {name: of_text(SHIPPED[name]) for name in OF_TEXT}
        self.filters |= {"each": self.each, "join": join, "replace": replace}

    concat = staticmethod(lambda parts: bounded(parts))  # of what a render, a macro or a block puts out

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = CountSteps().visit(super()._parse(source, name, filename))
        return tree

    def step(self) -> None:
        """Count a step."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise SecurityError(f"more than {MAX_STEPS} steps")

    def each(self, items: Iterable[Any]) -> Iterator[Any]:
        """The items, counted."""
        for item in items:
            self.step()
            yield item

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """What a macro gives; counted."""
        self.step()
        return super().call(context, obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Numbers are reckoned with, texts only put together."""
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return bounded([left, right])
        if operator == "**" or not (isinstance(left, int) and isinstance(right, int)):
            raise SecurityError(f"the operator {operator} is not for prompts")
        return super().call_binop(context, operator, left, right)

    def is_safe_callable(self, obj: Any) -> bool:
        """Only the template's own macros."""
        return isinstance(obj, Macro)


def check_text(value: Any) -> Any:
    """The value when it is text or a number; lists that hold each other would be written out for ever."""
    if not isinstance(value, str | int | float | StrictUndefined):
        raise SecurityError(f"a {type(value).__name__} is no text")
    return value


def of_text(apply: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that takes nothing but text and numbers."""
    takes_environment = hasattr(apply, "jinja_pass_arg")

    def checked(*arguments: Any, **options: Any) -> Any:
        check_text(arguments[1 if takes_environment else 0])
        return apply(*arguments, **options)

    checked.__dict__.update(apply.__dict__)
    return checked


def bounded(parts: Iterable[Any]) -> str:
    """The texts as one; raises SecurityError when it becomes too long."""
    found, length = [], 0
    for part in parts:
        found.append(str(check_text(part)))
        length += len(found[-1])
        if length > MAX_CHARS:
            raise SecurityError(f"a text of more than {MAX_CHARS} characters")
    return "".join(found)


def join(parts: Iterable[Any], between: str = "") -> str:
    """The filter `join`: texts and numbers, with a text between them."""
    return bounded(text for i, part in enumerate(parts) for text in ([between, part] if i else [part]))


def replace(text: Any, old: str, new: str) -> str:
    """The filter `replace`: `new` wherever `old` stands."""
    return bounded(
        piece for i, part in enumerate(str(check_text(text)).split(old)) for piece in ([new, part] if i else [part])
    )
