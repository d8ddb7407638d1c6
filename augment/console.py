"""Turns errors into one line on stderr and exit code 2, for every command of the project."""

import errno
import functools
import os
import sys
from collections.abc import Callable
from typing import Annotated, ParamSpec, TypeVar

import typer

from augment.errors import IngrainError

P = ParamSpec("P")
R = TypeVar("R")

EXIT_USER_ERROR = 2
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="Override one setting: KEY.KEY=VALUE.")]


def report_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Wrap a command: the user's mistakes become one line and exit code 2; `--debug` shows the traceback."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (IngrainError, OSError) as error:
            if kwargs.get("debug"):
                raise
            print(f"error: {one_line(error)}", file=sys.stderr)
            raise typer.Exit(EXIT_USER_ERROR) from None

    return run


def one_line(error: Exception) -> str:
    """The error as one line: an operating system's error gets a next step, a full disk above all."""
    if isinstance(error, OSError) and not isinstance(error, ConnectionError):
        text = f"{error.strerror or error}: {error.filename or 'the output folder'}; {next_step(error)}"
    else:
        text = str(error)
    return " ".join(text.split())


def next_step(error: OSError) -> str:
    """What to do about an operating system's error."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "free some space or choose another folder with --set out=FOLDER, then run the same command again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"make it readable and writable for user {os.getuid()} or choose another with --set out=FOLDER"
    return "check the path"


def new_app(help_text: str) -> typer.Typer:
    """A command line app in the house's manner: plain help, no decorated tracebacks."""
    return typer.Typer(help=help_text, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
