"""Turns files from standard input into Markdown on standard output: a program of its own, so that it may be killed.

Run as `python -P convert_worker.py MAX_MEMORY_MB` (-P: the modules beside it are not for others to import). A request
is a line `{"kind": ".pdf", "size": 123}` and so many bytes, an answer is a line `{"text": ...}` or
`{"error": ..., "names": [...]}`. It imports nothing of this package.
"""

import contextlib
import functools
import io
import json
import os
import re
import resource
import sys
from typing import Any

CONVERTERS = {
    ".html": "HtmlConverter",
    ".htm": "HtmlConverter",
    ".pdf": "PdfConverter",
    ".docx": "DocxConverter",
    ".pptx": "PptxConverter",
}


@functools.cache
def load_converter(kind: str) -> Any:
    """markitdown's converter of this kind and no other: a file cannot choose another one by its content."""
    from markitdown import converters

    return getattr(converters, CONVERTERS[kind])()


def answer(data: bytes, kind: str) -> dict[str, Any]:
    """The file as Markdown, without spaces at line ends and runs of empty lines, or why not."""
    from markitdown import StreamInfo

    try:
        text = load_converter(kind).convert(io.BytesIO(data), StreamInfo(extension=kind)).markdown
    except Exception as error:  # parsers of hostile bytes raise whatever they like; all of it is the answer
        return describe(error)
    lines = "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").split("\n"))
    return {"text": re.sub(r"\n{3,}", "\n\n", lines)}


def describe(error: BaseException) -> dict[str, Any]:
    """An error in words, and the names of its classes and of what caused it."""
    names = [kind.__name__ for kind in type(error).__mro__] + [type(error.__context__).__name__]
    words = " ".join(str(error).split())[:100]
    return {"error": f"{type(error).__name__}{': ' if words else ''}{words}", "names": [*names, words]}


def main() -> None:
    """Answer requests until the input ends. Whatever a library prints goes to standard error, not into answers."""
    max_bytes = int(sys.argv[1]) * 2**20
    with contextlib.suppress(ValueError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (max_bytes, max_bytes))
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        reply = answer(sys.stdin.buffer.read(request["size"]), request["kind"])
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
