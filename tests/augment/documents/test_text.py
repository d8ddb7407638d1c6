"""Text files in every guise: encodings, writing without spaces, characters that show nothing."""

from pathlib import Path

import pytest

from augment.chunks import Chunks, split_document
from augment.documents import Documents, read_documents

WORDS = "Pellick lies at the head of a shallow bay."
ODD = [
    "zero\u200bwidth and\u200d joined \u2060 words \ufeff in one line",
    "\u202bשלום עולם, זהו טקסט בעברית\u202c with English מעורב בתוכו.",
    "السلام عليكم \u200f\u2067abc\u2069 نص عربي",
    "e\u0301e\u0301 combining, a family \U0001f468\u200d\U0001f469 and \U0001f3f3\ufe0f\u200d\U0001f308",
    "Line\u2028separators\u2029and\x0bvertical\x0ctabs\x85are kept as they are",
]


@pytest.mark.parametrize("text", ODD)
def test_odd_characters_are_kept_and_offsets_hold(tmp_path: Path, text: str) -> None:
    text = "\n\n".join([text] * 9)
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    (document,), _ = read_documents(Documents(path="."), tmp_path)
    assert document.text == text
    for overlap in (0, 8):
        chunks = list(split_document(document, Chunks(max_tokens=16, overlap=overlap), lambda t: len(t) // 4 + 1))
        assert len(chunks) > 1 and all(text[c.start : c.end] == c.text for c in chunks)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_with_a_byte_order_mark_is_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.md").write_bytes(f"# Café\r\n\r\n{WORDS}\r\n".encode(encoding))
    (document,), _ = read_documents(Documents(path="."), tmp_path)
    assert (document.title, document.text) == ("Café", f"# Café\n\n{WORDS}\n")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (WORDS.encode("utf-16-le"), "zero"),
        (b"\xff\xfe" + WORDS.encode("utf-16-le")[:-1], "not UTF-16 text"),
        ("Das Café heißt über".encode("cp1252") * 9, "not UTF-8 text (byte 7)"),
        (b"\x7fELF" + bytes(range(256)) * 9, "UTF-8"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 99, "UTF-8"),
        (b"", "has 0 words"),
        (b"\xef\xbb\xbf \n\t ", "has 0 words"),
        ("\u200b\u200d\ufeff \u2060".encode() * 99, "has 0 words"),
        (b"---- **** ____ ==== ---- ++++ ....\n" * 9, "has 0 words"),
    ],
)
def test_what_is_no_text_is_a_row(tmp_path: Path, data: bytes, expected: str) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    (tmp_path / "b.txt").write_text(WORDS)
    _, (row,) = read_documents(Documents(path="."), tmp_path)
    assert row.document_id == "a.txt" and expected in row.reason and row.todo


def test_writing_without_spaces_is_no_empty_document(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("佩利克位于一个浅湾的尽头,西边是盐碱草甸。" * 3)
    assert len(read_documents(Documents(path="."), tmp_path)[0]) == 1
