"""Turns a folder of files into documents: Markdown and text as is, HTML, DOCX and PDF by markitdown."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from augment.errors import DocumentError
from augment.records import Document
from augment.settings import Settings

PLAIN = {".md", ".markdown", ".txt"}
MAGIC = {".docx": b"PK", ".pdf": b"%PDF"}  # markitdown would take anything else for plain text
CONVERTED = {".html", ".htm", ".docx", ".pdf"}
MIN_WORDS = 5


class Documents(Settings):
    """Which files are read. `path` is a folder or a file, relative to the pipeline file."""

    path: str
    include: list[str] = Field(default=["**/*"], min_length=1)
    limit: int | None = Field(default=None, ge=1)
    on_unreadable: Literal["stop", "skip"] = "stop"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that was skipped, and why."""

    error: DocumentError


def iterate_documents(options: Documents, base: Path) -> Iterator[Document | Unreadable]:
    """The documents in order of their path, one at a time, with what was skipped in between.

    Raises DocumentError for the first unreadable file unless `on_unreadable` is `skip`, or when none is left.
    """
    root, found = base / options.path, False
    for file in find_files(root, options.include)[: options.limit]:
        try:
            yield read_document(file, root)
            found = True
        except DocumentError as error:
            if options.on_unreadable == "stop":
                raise
            yield Unreadable(error)
    if not found:
        raise DocumentError(f"no readable document in {root}", "put .md, .txt, .html, .docx or .pdf files there")


def read_documents(options: Documents, base: Path) -> tuple[list[Document], list[DocumentError]]:
    """All documents in order of their path, and one error for each file that was skipped.

    Raises DocumentError for the first unreadable file unless `on_unreadable` is `skip`, or when none is left.
    """
    root = base / options.path
    documents: list[Document] = []
    skipped: list[DocumentError] = []
    for file in find_files(root, options.include)[: options.limit]:
        try:
            documents.append(read_document(file, root))
        except DocumentError as error:
            if options.on_unreadable == "stop":
                raise
            skipped.append(error)
    if not documents:
        raise DocumentError(f"no readable document in {root}", "put .md, .txt, .html, .docx or .pdf files there")
    return documents, skipped


def find_files(root: Path, patterns: list[str]) -> list[Path]:
    """The files below `root` that match any pattern, hidden ones left out, sorted by path."""
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise DocumentError(f"no folder or file {root}", "set augment.documents.path, relative to the pipeline file")
    try:
        found = {f for pattern in patterns for f in root.glob(pattern) if f.is_file()}
    except (NotImplementedError, ValueError) as error:
        todo = "write patterns like **/*.md, relative to the documents folder"
        raise DocumentError(f"augment.documents.include is wrong for {root} ({error})", todo) from None
    visible = [f for f in found if not any(part.startswith(".") for part in f.relative_to(root).parts)]
    if not visible:
        raise DocumentError(f"no file in {root} matches {', '.join(patterns)}", "add documents or change include")
    return sorted(visible)


def read_document(file: Path, root: Path) -> Document:
    """One file as a document; raises DocumentError when it is not text or says next to nothing."""
    name = file.name if file == root else file.relative_to(root).as_posix()
    text = read_text(file)
    if len(text.split()) < MIN_WORDS:
        todo = f"write at least {MIN_WORDS}, remove the file, or set augment.documents.on_unreadable=skip"
        raise DocumentError(f"{file} has {len(text.split())} words", todo)
    return Document(id=name, title=find_title(text) or file.stem.replace("-", " "), source=str(file), text=text)


def read_text(file: Path) -> str:
    """The file's text, line ends as "\\n"."""
    kind = file.suffix.lower()
    if kind in CONVERTED:
        return convert(file)
    todo = "remove it, leave it out with augment.documents.include, or set augment.documents.on_unreadable=skip"
    if kind not in PLAIN:
        raise DocumentError(f"{file} is not a .md, .txt, .html, .docx or .pdf file", todo)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(f"{file} is not UTF-8 text (byte {error.start})", todo) from None
    if "\0" in text:
        raise DocumentError(f"{file} is binary (a zero byte at character {text.index(chr(0))})", todo)
    return text


def convert(file: Path) -> str:
    """HTML, DOCX or PDF as Markdown text; a broken file is a DocumentError."""
    todo = "open and save it again, or remove it"
    if (magic := MAGIC.get(file.suffix.lower())) and magic not in file.read_bytes()[:1024]:
        raise DocumentError(f"{file} is not a {file.suffix} file", todo)
    from markitdown import MarkItDown
    from markitdown._exceptions import MarkItDownException

    try:
        result = MarkItDown(enable_plugins=False).convert_local(file)
    except (MarkItDownException, ValueError, UnicodeError) as error:
        reason = next(lines_of(str(error)), type(error).__name__)[:100]
        raise DocumentError(f"{file} cannot be read ({reason})", todo) from None
    return result.markdown.replace("\r\n", "\n")


def find_title(text: str) -> str:
    """The first heading or, failing that, the first line when it is short."""
    for line in lines_of(text):
        if line.startswith("#"):
            return line.lstrip("#").strip()
        return line if len(line) <= 80 and not line.endswith(".") else ""
    return ""


def lines_of(text: str) -> Iterator[str]:
    """The lines that are not empty, stripped."""
    return (line.strip() for line in text.splitlines() if line.strip())
