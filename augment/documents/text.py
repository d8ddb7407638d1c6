"""Turns a Markdown or text file into a document: UTF-8, or UTF-16 and UTF-32 where a byte order mark says so."""

import codecs
import io
from collections.abc import Iterator

from augment.documents.base import LEAVE_OUT, CannotReadError, make_document
from augment.documents.files import File
from augment.documents.settings import Documents
from augment.records import Document

# UTF-32's mark begins with UTF-16's, so it comes first.
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def find_encoding(head: bytes) -> str:
    """The encoding that the first bytes of a file name; UTF-8 where they name none."""
    return next((name for mark, name in MARKS.items() if head.startswith(mark)), "utf-8")


def read_text(file: File, options: Documents) -> Iterator[Document]:
    """The file as one document, line ends as "\\n"."""
    data = file.read(options.max_file_mb)
    encoding = find_encoding(data[:4])
    try:
        text = io.IncrementalNewlineDecoder(None, translate=True).decode(data.decode(encoding), final=True)
    except UnicodeDecodeError as error:
        name = "UTF-8" if encoding.startswith("utf-8") else encoding.upper()
        raise CannotReadError(f"is not {name} text (byte {error.start})", f"save it as UTF-8, or {LEAVE_OUT}") from None
    yield make_document(file.id, "", file.source, text, file.stem)
