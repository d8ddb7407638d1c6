"""Chunks are spans of their document and keep the token budget."""

from importlib import resources
from itertools import pairwise
from pathlib import Path

import pytest

from augment.chunks import Chunks, split_document
from augment.documents import Documents, read_documents
from augment.records import Document

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
        assert "".join("".join(c.text for c in chunks).split()) == "".join(document.text.split())


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
