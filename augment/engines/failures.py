"""Turns what Ray and vLLM report of an engine that failed into the one line that the user can act on."""

import os
import re
from pathlib import Path

from augment.errors import EngineError, StoppedError

# Ray hands over the traceback of the worker as text, with the exception's own line at its end.
OWN_ERROR = re.compile(r"^augment\.errors\.\w+: (.+)$", re.MULTILINE)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# The last line of a traceback, as vLLM's processes write it to the log that is their standard error.
LAST_LINE = re.compile(r"^(?:\([\w ]+ pid=\d+\) )?(?:\w+\.)*\w+(?:Error|Exception): .+", re.MULTILINE)
LOG_TAIL_BYTES = 1 << 16
AGAIN = "run the same command again: finished units are kept"


def explain_failure(error: Exception) -> EngineError:
    """The error that an actor raised for the user where there is one, else the last line of Ray's report."""
    report = COLOUR.sub("", str(error)).strip()
    if own := OWN_ERROR.findall(report):
        return StoppedError(own[-1].strip())
    return EngineError(f"the generation engine died ({report.splitlines()[-1][:200]})", AGAIN)


def own_log() -> Path:
    """What this process and those that it started write their errors to."""
    return Path(os.path.realpath("/proc/self/fd/2"))


def explain_start(error: Exception, log: Path) -> StoppedError:
    """The error of a vLLM engine that does not start, with the cause that one of its processes wrote to the log."""
    if isinstance(error, StoppedError):
        return error
    causes = LAST_LINE.findall(read_tail(log)) if "root cause" in str(error) else []
    cause = " ".join((causes[-1] if causes else f"{type(error).__name__}: {error}").split())
    where = f" (log: {log})" if log.is_file() else ""
    return StoppedError(f"vLLM does not start: {cause[:300]}", f"change `model` or augment.engine{where}")


def read_tail(path: Path) -> str:
    """The end of a file; "" for what is none, such as a terminal."""
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - LOG_TAIL_BYTES))
        return stream.read().decode("utf-8", "replace")
