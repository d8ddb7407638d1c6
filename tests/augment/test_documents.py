"""Files to documents: every kind that ships is read, every unreadable one is named with a next step."""

from importlib import resources
from pathlib import Path

import pytest

from augment.documents import Documents, read_documents
from augment.errors import DocumentError

CORPUS = Path(str(resources.files("pipelines"))) / "corpus" / "documents"
WORDS = "Pellick lies at the head of a shallow bay.\n"


def test_every_document_of_the_corpus_has_text_and_title() -> None:
    documents, skipped = read_documents(Documents(path=str(CORPUS)), Path())
    assert not skipped
    assert [d.id for d in documents] == sorted(f.name for f in CORPUS.iterdir())
    assert {Path(d.id).suffix for d in documents} == {".md", ".html", ".docx", ".pdf", ".txt"}
    for document in documents:
        assert len(document.text.split()) > 100, document.id
        assert "<p>" not in document.text and "\r" not in document.text
        words = Path(document.id).stem.split("-")[1:]
        assert document.title.lower().split() == words, document.id


def test_title_falls_back_to_a_short_first_line_then_to_the_file_name(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The Short Line\n\n" + WORDS)
    (tmp_path / "the-name.txt").write_text(WORDS)
    documents, _ = read_documents(Documents(path="."), tmp_path)
    assert [d.title for d in documents] == ["The Short Line", "the name"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("binary.txt", b"\xff\xfb\x00\x01" * 50, "not UTF-8"),
        ("zero.md", b"five words and a zero \x00 byte", "binary"),
        ("word.md", b"word\n", "has 1 words"),
        ("empty.txt", b"", "has 0 words"),
        ("sheet.xyz", WORDS.encode(), "is not a .md, "),
        ("broken.pdf", b"%PDF-1.7 nothing more", "broken.pdf"),
        ("broken.docx", b"not a zip file at all", "broken.docx"),
    ],
)
def test_an_unreadable_file_is_named_in_one_line_and_can_be_skipped(
    tmp_path: Path, name: str, content: bytes, expected: str
) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "good.md").write_text(WORDS)
    with pytest.raises(DocumentError) as caught:
        read_documents(Documents(path=".", on_unreadable="stop"), tmp_path)
    text = str(caught.value)
    assert name in text and expected in text and "\n" not in text and caught.value.todo
    documents, skipped = read_documents(Documents(path="."), tmp_path)
    assert [d.id for d in documents] == ["good.md"]
    assert [(u.document_id, u.source) for u in skipped] == [(name, str(tmp_path / name))]
    assert text == f"{skipped[0].source} {skipped[0].reason}; {skipped[0].todo}"


def test_missing_and_empty_folders_are_errors(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DocumentError, match=r"nowhere; set augment\.documents\.path"):
        read_documents(Documents(path="nowhere"), tmp_path)
    with pytest.raises(DocumentError, match=r"no file in .*empty.*; add documents"):
        read_documents(Documents(path="empty"), tmp_path)


def test_only_skipped_files_leave_nothing(tmp_path: Path) -> None:
    (tmp_path / "word.md").write_text("word")
    with pytest.raises(DocumentError, match=r"no readable document in \. \(.*word\.md has 1 words\); write at least 5"):
        read_documents(Documents(path="."), tmp_path)


def test_hidden_files_are_left_out_and_limit_and_include_hold(tmp_path: Path) -> None:
    for name in ("a.md", "b.md", "c.txt", ".hidden.md", "deep/d.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(WORDS)

    def ids(**options: object) -> list[str]:
        return [d.id for d in read_documents(Documents(path=".", **options), tmp_path)[0]]

    assert ids() == ["a.md", "b.md", "c.txt", "deep/d.md"]
    assert ids(limit=2) == ["a.md", "b.md"]
    assert ids(include=["*.txt", "deep/*"]) == ["c.txt", "deep/d.md"]
    assert [d.id for d in read_documents(Documents(path="a.md"), tmp_path)[0]] == ["a.md"]


def test_line_ends_and_byte_order_mark_are_normalised(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone two three\r\nfour five six\r\n")
    documents, _ = read_documents(Documents(path="a.txt"), tmp_path)
    assert documents[0].text == "one two three\nfour five six\n"
