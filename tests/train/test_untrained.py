"""What needs no training: the document or BM25's chunks stand before the question, and nothing else does."""

from pathlib import Path

import pytest

from augment.records import Document
from train.evaluate.context import context_of, cut
from train.evaluate.probes import Probe
from train.methods.options import InContextOptions, NoOptions, RetrievalOptions
from train.model import load_model
from train.passages import Passages

TEXTS = {"a.md": "The bridge crosses the Sullen Cut. Nine bells hang in it.", "b.md": "Rain falls on the hill."}
PASSAGES = Passages(
    {name: Document(name, name[0].upper(), name, text) for name, text in TEXTS.items()},
    (("a.md", 0, 34), ("a.md", 35, 57), ("b.md", 0, 23)),
)
FACT = Probe("f1", "a.md", "held_out", "How many bells hang in the bridge?", ["nine"])
GENERAL = Probe("k1", "", "known", "What is 2 and 2?", ["4"])


def test_the_document_stands_before_its_question_and_a_drawn_one_before_others(tiny_model: Path) -> None:
    tokenizer = load_model(str(tiny_model)).tokenizer
    find = context_of(InContextOptions(), lambda: PASSAGES, tokenizer, seed=0)
    assert find(FACT) == f"A\n\n{TEXTS['a.md']}"
    drawn = {find(Probe(f"k{i}", "", "known", "?", ["x"])) for i in range(20)}
    assert drawn == {f"{name[0].upper()}\n\n{text}" for name, text in TEXTS.items()}
    assert find(GENERAL) == context_of(InContextOptions(), lambda: PASSAGES, tokenizer, seed=0)(GENERAL)
    assert FACT.text(find(FACT)).startswith("A\n\nThe bridge") and FACT.text().startswith("Question: ")


def test_a_long_document_is_cut_at_a_token(tiny_model: Path) -> None:
    tokenizer = load_model(str(tiny_model)).tokenizer
    text = "The lantern keeper counted nine bells. " * 20
    short = cut(text, tokenizer, 30)
    assert text.startswith(short) and len(tokenizer(short).input_ids) == 30
    assert cut("short", tokenizer, 30) == "short"


@pytest.mark.parametrize(("top_k", "expected"), [(1, "A\n\nNine bells hang in it."), (9, None)])
def test_retrieval_finds_the_chunk_with_the_rare_words(top_k: int, expected: str | None) -> None:
    found = context_of(RetrievalOptions(top_k=top_k), lambda: PASSAGES, None, 0)(FACT)
    if expected is not None:
        assert found == expected
    else:  # all chunks, the best one last
        assert found.endswith("A\n\nNine bells hang in it.") and found.count("\n\n") == 5


def test_the_base_model_reads_nothing() -> None:
    assert context_of(NoOptions(), lambda: pytest.fail("read"), None, 0)(FACT) == ""
