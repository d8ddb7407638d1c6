"""Chunks are spans of their document, keep the token budget, and overlap by whole sentences."""

import re
import subprocess
import sys
import time
from importlib import resources
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markitdown.converters import HtmlConverter

from augment.chunks import BLOCK_CHARS, Chunks, split_document
from augment.documents import Documents, read_documents
from augment.headings import find_headings
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


# Text as it comes: Markdown's marks, white space of all kinds, characters of no width, right-to-left and combining.
PIECES = st.sampled_from(
    ["\n", "\n\n", "\r\n", " ", "\t", "\u2028", "\x85", "\x0b", "A sentence. ", "Another one! ", "一句话。", "word "]
) | st.sampled_from(
    ["# A\n", "## B #\n", "Title\n====\n", "```\n", "~~~\n", "---\n", "- item\n", "| a | b |\n", "x" * 40, "'quoted.' "]
) | st.sampled_from(
    ["\u200b", "\u202e", "שלום ", "e\u0301", "\U0001f468\u200d\U0001f469", "\ufeff", "\ud800"]
)  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=8), max_size=60).map("".join)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS, st.integers(16, 60), st.integers(0, 8), st.booleans())
def test_chunks_of_any_text_are_exact_spans_within_the_budget(
    text: str, budget: int, overlap: int, words: bool
) -> None:
    count = count_words if words else len
    document = Document("a", "", "a", text)
    chunks = list(split_document(document, Chunks(max_tokens=budget, overlap=overlap), count))
    assert all(text[c.start : c.end] == c.text and c.text.strip() and count(c.text) <= budget for c in chunks)
    assert all(a.start <= b.start and a.end < b.end for a, b in pairwise(chunks))
    assert all(count(text[b.start : a.end]) <= overlap for a, b in pairwise(chunks) if b.start < a.end)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS)
def test_chunks_of_any_text_lose_only_headings_and_what_has_neither_letter_nor_digit(text: str) -> None:
    chunks = list(split_document(Document("a", "", "a", text), Chunks(max_tokens=16), len))
    spans = [(c.start, c.end) for c in chunks]
    spans += [(h.start, h.end) for h in find_headings(text)]
    end = 0
    for start, stop in sorted(spans):
        assert start >= end and not any(map(str.isalnum, text[end:start]))
        end = stop
    assert not any(map(str.isalnum, text[end:]))
    assert all(any(map(str.isalnum, chunk.text)) for chunk in chunks)


def test_an_overlap_is_the_last_whole_sentences_of_the_chunk_before() -> None:
    text = " ".join(f"Bell {n} rang at noon." for n in range(20))
    chunks = list(split_document(Document("a", "", "a", text), Chunks(max_tokens=20, overlap=10), count_words))
    assert len(chunks) > 5
    for before, after in pairwise(chunks):
        shared = text[after.start : before.end]
        assert re.fullmatch(r"Bell \d+ rang at noon\. Bell \d+ rang at noon\.", shared)
        assert before.text.endswith(shared) and after.text.startswith(shared)


def test_an_overlap_of_a_sentence_that_is_too_long_is_its_last_words() -> None:
    text = " ".join(f"w{n}" for n in range(100))
    chunks = list(split_document(Document("a", "", "a", text), Chunks(max_tokens=20, overlap=4), count_words))
    assert [len(set(a.text.split()) & set(b.text.split())) for a, b in pairwise(chunks)] == [4] * (len(chunks) - 1)


def test_an_overlap_does_not_cross_a_heading() -> None:
    text = "# A\nOne sentence here. Two.\n# B\nThree. Four.\n"
    chunks = list(split_document(Document("a", "", "a", text), Chunks(max_tokens=16, overlap=8), count_words))
    assert [(c.heading, c.text.strip()) for c in chunks] == [("A", "One sentence here. Two."), ("B", "Three. Four.")]


def test_an_overlap_larger_than_half_a_chunk_is_refused() -> None:
    with pytest.raises(ValueError, match="at most half of max_tokens"):
        Chunks(max_tokens=100, overlap=51)


def test_headings_of_html_are_the_chunks_headings() -> None:
    html = "<h1>Pellick</h1><p>A town.</p><h2>The <a href='/t'>trade</a></h2><p>Drum skins.</p>"
    html += "<h3>Market</h3><pre># no heading\n## none</pre><h2>Schools</h2><ul><li>One.</li></ul>"
    text = HtmlConverter().convert_string(html).markdown
    chunks = list(split_document(Document("a.html", "Pellick", "a.html", text), Chunks(max_tokens=16), count_words))
    assert [c.heading for c in chunks] == ["", "The trade", "The trade > Market", "Schools"]
    assert "# no heading" in chunks[2].text


# Lines without end: words, one word, sentences, other letters, and runs of spaces that all differ in length.
LINES = {
    "words": "word " * 2000,
    "letter": "x" * 10_000,
    "sentences": "The bell of the tower rang over Marrow Bay at noon. " * 200,
    "chinese": "佩利克位于浅湾的尽头。" * 900,
    "quotes": "\"'" * 4999 + " x",
    "spaces": "".join("x" + " " * n for n in range(1, 140)),
}


@pytest.mark.parametrize("name", LINES)
def test_a_huge_line_is_split_in_time_linear_in_its_length(name: str) -> None:
    def seconds(num_copies: int) -> float:
        document = Document("a", "", "a", LINES[name] * num_copies)
        started = time.process_time()
        chunks = list(split_document(document, Chunks(max_tokens=400, overlap=20), lambda t: len(t) // 4 + 1))
        assert chunks[-1].end > len(document.text) - 200 and len(document.text) > BLOCK_CHARS
        return time.process_time() - started

    seconds(4)
    small, large = seconds(10), seconds(80)  # 100 and 800 thousand characters
    assert large < 16 * small + 0.5, (small, large)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["words", "letter", "sentences"])
def test_a_line_of_100_megabytes_is_read_and_split_in_bounded_time_and_memory(tmp_path: Path, name: str) -> None:
    with (tmp_path / "huge.txt").open("w") as stream:
        for _ in range(100 * 2**20 // len(LINES[name]) + 1):
            stream.write(LINES[name])
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", HUGE, str(tmp_path)], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    num_chunks, peak_mb = map(int, done.stdout.split())
    print(f"{name}: {num_chunks} chunks, {time.monotonic() - started:.0f} s, peak {peak_mb} MiB")
    assert num_chunks > 50_000 and peak_mb < 600
    assert time.monotonic() - started < 240


HUGE = r"""
import re, sys
from pathlib import Path
from augment.chunks import Chunks, split_document
from augment.documents import Documents, iterate_documents
(document,) = iterate_documents(Documents(path="huge.txt", on_unreadable="stop"), Path(sys.argv[1]))
count = 0
for chunk in split_document(document, Chunks(max_tokens=400), lambda text: len(text) // 4 + 1):
    assert document.text[chunk.start : chunk.end] == chunk.text
    count += 1
peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())  # ru_maxrss counts the parent's too
print(count, int(peak[1]) // 1024)
"""
