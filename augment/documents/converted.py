"""Turns an HTML, PDF, DOCX or PPTX file into Markdown by markitdown, with bounds on what an archive unpacks to."""

import functools
import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from augment.documents.base import LEAVE_OUT, CannotReadError, make_document
from augment.documents.files import File
from augment.documents.settings import Documents
from augment.records import Document

CONVERTERS = {
    ".html": "HtmlConverter",
    ".htm": "HtmlConverter",
    ".pdf": "PdfConverter",
    ".docx": "DocxConverter",
    ".pptx": "PptxConverter",
}
MAGIC = {".docx": b"PK\3\4", ".pptx": b"PK\3\4", ".pdf": b"%PDF"}
# What an office file may unpack to. Its XML becomes trees of about ten times its size in memory.
MAX_XML_MB, MAX_UNPACKED_MB, MAX_PARTS = 64, 512, 10_000
SLIDE_MARK = re.compile(r"^<!-- Slide number: \d+ -->$\n?", re.MULTILINE)
SAVE_AGAIN = f"open and save it again, or {LEAVE_OUT}"


def read_converted(file: File, options: Documents) -> Iterator[Document]:
    """The file as one document in Markdown."""
    kind, data = file.suffix, file.read(options.max_file_mb)
    if (magic := MAGIC.get(kind)) and magic not in data[:1024]:
        raise CannotReadError(f"is not a {kind} file", SAVE_AGAIN)
    if kind in (".docx", ".pptx"):
        check_archive(data)
    text = SLIDE_MARK.sub("", convert(data, kind)) if kind == ".pptx" else convert(data, kind)
    # PDF text has zeros where a font maps a glyph to nothing.
    yield make_document(file.id, "", file.source, text.replace("\r\n", "\n").replace("\0", ""), file.stem)


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


def convert(data: bytes, kind: str) -> str:
    """The file's bytes as Markdown; raises CannotReadError with the converter's reason."""
    from markitdown import FileConversionException, MarkItDownException, StreamInfo

    try:
        return str(
            load_converter(kind).convert_stream(io.BytesIO(data), stream_info=StreamInfo(extension=kind)).markdown
        )
    except FileConversionException as error:
        causes = [attempt.exc_info[1] for attempt in error.attempts or [] if attempt.exc_info]
        raise CannotReadError(*describe(causes[0] if causes else error)) from None
    except MarkItDownException as error:
        raise CannotReadError(*describe(error)) from None


@functools.cache
def load_converter(kind: str) -> Any:
    """markitdown with this kind's converter alone: a file cannot choose another one by its content."""
    from markitdown import MarkItDown, converters

    reader = MarkItDown(enable_builtins=False, enable_plugins=False)
    reader.register_converter(getattr(converters, CONVERTERS[kind])())
    return reader


def describe(error: BaseException) -> tuple[str, str]:
    """Reason and next step of a failed conversion."""
    names = {base.__name__ for base in type(error).__mro__} | {type(error.__context__).__name__, str(error)[:60]}
    if any("Password" in name or "Encryption" in name for name in names):
        return "is encrypted", f"save it without a password, or {LEAVE_OUT}"
    reason = " ".join(str(error).split())[:100]
    return f"cannot be read ({type(error).__name__}{': ' if reason else ''}{reason})", SAVE_AGAIN
