"""Turns an HTML, PDF, DOCX or PPTX file into Markdown by markitdown, in a process with bounded time and memory."""

import functools
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from threading import Timer
from typing import IO, Any

from augment.documents import convert_worker
from augment.documents.base import LEAVE_OUT, CannotReadError, make_document
from augment.documents.files import File
from augment.documents.settings import Documents
from augment.records import Document

MAGIC = {".docx": b"PK\3\4", ".pptx": b"PK\3\4", ".pdf": b"%PDF"}
# What an office file may unpack to. Its XML becomes trees of about ten times its size in memory.
MAX_XML_MB, MAX_UNPACKED_MB, MAX_PARTS = 64, 512, 10_000
MAX_MEMORY_MB = 4096  # of addresses, of which the libraries alone take some hundreds
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")  # each thread takes addresses
SLIDE_MARK = re.compile(r"^<!-- Slide number: \d+ -->$\n?", re.MULTILINE)
SAVE_AGAIN = f"open and save it again, or {LEAVE_OUT}"


class Converter:
    """A process that converts one file after the other; after one that it did not survive comes a new process."""

    def __init__(self, max_memory_mb: int) -> None:
        self.command = [sys.executable, "-P", convert_worker.__file__, f"{max_memory_mb}"]
        self.process: subprocess.Popen[bytes] | None = None

    def convert(self, data: bytes, kind: str, max_sec: float) -> str:
        """The file's bytes as Markdown; raises CannotReadError with the converter's reason."""
        if self.process is None or self.process.poll() is not None:
            pipe = subprocess.PIPE
            environment = {**os.environ, **ONE_THREAD}
            self.process = subprocess.Popen(
                self.command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment
            )
        timer = Timer(max_sec, self.process.kill)
        timer.start()
        try:
            reply = self.ask(self.process, data, kind)
        finally:
            timer.cancel()
        if reply is None:
            self.process.wait()
            self.process = None
            todo = f"raise augment.documents.max_convert_sec, or {LEAVE_OUT}"
            raise CannotReadError(f"took more than {max_sec:g} s or too much memory to convert", todo)
        if "text" not in reply:
            raise CannotReadError(*describe(reply["error"], reply["names"]))
        return str(reply["text"])

    def ask(self, process: subprocess.Popen[bytes], data: bytes, kind: str) -> dict[str, Any] | None:
        """The process's answer, None when it died over it."""
        requests: IO[bytes] | None = process.stdin
        answers: IO[bytes] | None = process.stdout
        assert requests is not None and answers is not None
        try:
            requests.write(json.dumps({"kind": kind, "size": len(data)}).encode() + b"\n" + data)
            requests.flush()
        except BrokenPipeError:
            return None
        line = answers.readline()
        return json.loads(line) if line.endswith(b"\n") else None


@functools.cache
def shared_converter() -> Converter:
    """One process for all files; it ends when this process, and so its standard input, does."""
    return Converter(MAX_MEMORY_MB)


def read_converted(file: File, options: Documents) -> Iterator[Document]:
    """The file as one document in Markdown."""
    kind, data = file.suffix, file.read(options.max_file_mb)
    if (magic := MAGIC.get(kind)) and magic not in data[:1024]:
        raise CannotReadError(f"is not a {kind} file", SAVE_AGAIN)
    if kind in (".docx", ".pptx"):
        check_archive(data)
    text = shared_converter().convert(data, kind, options.max_convert_sec)
    if kind == ".pptx":
        text = SLIDE_MARK.sub("", text)
    # PDF text has zeros where a font maps a glyph to nothing.
    yield make_document(file.id, "", file.source, text.replace("\0", ""), file.stem)


def check_archive(data: bytes) -> None:
    """Raise CannotReadError for a zip archive that is broken or unpacks to too much.

    The sizes are those that the archive states; `zipfile` never reads more of a part than that.
    """
    try:
        parts = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise CannotReadError(f"is a broken archive ({error})", SAVE_AGAIN) from None
    xml = sum(part.file_size for part in parts if part.filename.lower().endswith((".xml", ".rels")))
    bounds = [(sum(p.file_size for p in parts), MAX_UNPACKED_MB), (xml, MAX_XML_MB)]
    if any(size > bound * 2**20 for size, bound in bounds) or len(parts) > MAX_PARTS:
        size = bounds[0][0] // 2**20
        raise CannotReadError(f"unpacks to {len(parts)} parts of {size} MiB, which is too much", LEAVE_OUT)


def describe(error: str, names: list[str]) -> tuple[str, str]:
    """Reason and next step of a failed conversion."""
    if any("Password" in name or "Encryption" in name for name in names):
        return "is encrypted", f"save it without a password, or {LEAVE_OUT}"
    if "MemoryError" in names:
        return "takes too much memory to convert", f"split it, or {LEAVE_OUT}"
    return f"cannot be read ({error})", SAVE_AGAIN
