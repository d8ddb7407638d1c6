"""Turns what Ray reports of an actor that failed into the one line that the user can act on."""

import re

from augment.errors import EngineError, StoppedError

# Ray hands over the traceback of the worker as text, with the exception's own line at its end.
OWN_ERROR = re.compile(r"^augment\.errors\.\w+: (.+)$", re.MULTILINE)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
AGAIN = "run the same command again: finished units are kept"


def explain_failure(error: Exception) -> EngineError:
    """The error that an actor raised for the user where there is one, else the last line of Ray's report."""
    report = COLOUR.sub("", str(error)).strip()
    if own := OWN_ERROR.findall(report):
        return StoppedError(own[-1].strip())
    return EngineError(f"the generation engine died ({report.splitlines()[-1][:200]})", AGAIN)
