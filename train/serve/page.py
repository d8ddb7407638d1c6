"""Turns a question and its answers into the page: escaped, one form, nothing from elsewhere."""

from functools import lru_cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from augment.escape import clean_line
from train.serve.ask import Reply

TEMPLATE = "serve.html.jinja"


def render_page(title: str, question: str, reply: Reply | None, problem: str = "") -> str:
    """The page; jinja2 escapes, and control characters go."""
    return load_template().render(
        title=clean_line(title), question=clean_line(question), reply=reply, problem=problem, clean=clean_line
    )


@lru_cache(maxsize=1)
def load_template() -> Template:
    """The template beside this file."""
    text = files("train.serve").joinpath(TEMPLATE).read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(text)
