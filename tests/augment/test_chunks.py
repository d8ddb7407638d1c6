"""Chunks are spans of their document and keep the token budget."""

import re
import time
from importlib import resources
from itertools import pairwise
from pathlib import Path

import pytest

from augment.chunks import Chunks, split_document
from augment.documents import Documents, read_documents
from augment.records import Chunk, Document

CORPUS = Path(str(resources.files("pipelines"))) / "corpus" / "documents"


def count_words(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize("budget", [16, 60, 400])
def test_chunks_are_spans_within_the_budget_and_lose_no_word(budget: int) -> None:
    for document in read_documents(Documents(path=str(CORPUS)), Path())[0]:
        chunks = list(split_document(document, Chunks(max_tokens=budget), count_words))
        assert [document.text[c.start : c.end] for c in chunks] == [c.text for c in chunks]
        assert all(0 < count_words(c.text) <= budget for c in chunks)
        assert all(a.end <= b.start for a, b in pairwise(chunks))
        body = re.sub(r"^#+ .*$", "", document.text, flags=re.MULTILINE)
        assert "".join("".join(c.text for c in chunks).split()) == "".join(body.split())


def test_headings_go_along_with_the_chunks_below_them() -> None:
    text = "Before all.\n# Pellick\nA town.\n## Trade ##\nDrum skins.\n### Market\nTuesday.\n## Schools\n"
    text += "One.\n```\n# no heading\n```\n# Ossel\n"
    chunks = split_document(Document("a.md", "Pellick", "a.md", text), Chunks(max_tokens=16), count_words)
    assert [(c.text.strip(), c.heading) for c in chunks] == [
        ("Before all.", ""),
        ("A town.", ""),
        ("Drum skins.", "Trade"),
        ("Tuesday.", "Trade > Market"),
        ("One.\n```\n# no heading\n```", "Schools"),
    ]
    assert Chunk("a.md", "Pellick", "a.md", 0, 1, "x", "Trade").topic == "Pellick: Trade"


def test_a_line_of_many_hashes_and_spaces_is_read_fast() -> None:
    text = ("# x" + " #" * 20_000 + "y\n") * 3 + "Some words."
    started = time.monotonic()
    assert [c.text.strip() for c in split_document(Document("a", "", "a", text), Chunks(), count_words)] == [
        "Some words."
    ]
    assert time.monotonic() - started < 2


def test_a_document_longer_than_the_context_is_split() -> None:
    text = "The bell of the tower rang over Marrow Bay at noon. " * 2000
    document = Document("long.txt", "Long", "long.txt", text)
    chunks = list(split_document(document, Chunks(max_tokens=400), count_words))
    assert len(chunks) >= 50
    assert max(count_words(c.text) for c in chunks) <= 400


def test_a_text_without_spaces_is_split_by_its_tokens() -> None:
    document = Document("one.txt", "One", "one.txt", "x" * 1000)
    chunks = list(split_document(document, Chunks(max_tokens=16), len))
    assert "".join(c.text for c in chunks) == document.text
    assert max(len(c.text) for c in chunks) <= 16
