"""Turns a text with its name into a document, or says why it is none: the rules that hold for every source."""

import re
from dataclasses import dataclass
from itertools import islice

from augment.errors import DocumentError
from augment.headings import MAX_NAME, find_title
from augment.records import Document

MIN_WORDS = 5
MIN_LETTERS = 20  # for writing without spaces between its words
WORD = re.compile(r"[^\W_]+")  # rules, bullets and characters of no width are no words
SURROGATE = re.compile("[\ud800-\udfff]")
UNWRITABLE = re.compile("[\0\ud800-\udfff]")
LEAVE_OUT = "remove it, or leave it out with augment.documents.include"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file or a row that gave no document: where it is, why, and what to do. Every field survives UTF-8."""

    source: str
    document_id: str
    reason: str
    todo: str

    def __post_init__(self) -> None:
        for name in self.__slots__:
            text = getattr(self, name).encode("utf-8", "backslashreplace").decode()
            object.__setattr__(self, name, " ".join(text.split()) if name == "reason" else text)

    @property
    def error(self) -> DocumentError:
        """The same as an error that ends the run, without what a name could do to a terminal."""
        shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in f"{self.source} {self.reason}")
        return DocumentError(shown, self.todo)


class CannotReadError(Exception):
    """Why a file or a row gives no document; whoever knows its name makes it an `Unreadable`."""

    def __init__(self, reason: str, todo: str = LEAVE_OUT) -> None:
        self.reason, self.todo = reason, todo
        super().__init__(reason)


def make_document(document_id: str, title: str, source: str, text: str, fallback: str) -> Document:
    """The document, its title found in the text (or `fallback`) where `title` is empty.

    Raises CannotReadError for a text that says next to nothing, or that UTF-8, and so the dataset, cannot hold.
    """
    check_text(document_id, "has a name that ")
    check_text(text)
    words = [match[0] for match in islice(WORD.finditer(text), MIN_WORDS)]
    if len(words) < MIN_WORDS and sum(map(len, words)) < MIN_LETTERS:
        raise CannotReadError(f"has {len(words)} words", f"write at least {MIN_WORDS}, or {LEAVE_OUT}")
    title = " ".join(title.split()) or find_title(text) or fallback
    return Document(document_id, UNWRITABLE.sub("\ufffd", title)[:MAX_NAME], source, text)


def check_text(text: str, what: str = "") -> None:
    """Raise for characters that no text has: lone surrogates (broken escapes or bytes) and zeros."""
    if (found := SURROGATE.search(text)) is not None:
        reason = f"{what}holds bytes that are not UTF-8 text, or a lone surrogate (character {found.start()})"
        raise CannotReadError(reason, f"save it as UTF-8, {LEAVE_OUT}")
    if "\0" in text:
        raise CannotReadError(f"{what}is binary (a zero at character {text.index(chr(0))})")
