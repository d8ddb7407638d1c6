"""HTML, PDF, DOCX and PPTX to Markdown, and files that pretend, are locked, or unpack without end."""

import io
import pickle
import time
import zipfile
import zlib
from importlib import resources
from pathlib import Path

import pypdf
import pytest
from pptx import Presentation

from augment.documents import Documents, read_documents
from augment.documents.base import CannotReadError
from augment.documents.converted import Converter
from augment.records import Document

CORPUS = Path(str(resources.files("pipelines"))) / "corpus" / "documents"
WORDS = "Pellick lies at the head of a shallow bay."
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def write_docx(path: Path, body: str, prologue: str = "", **parts: bytes) -> None:
    """A minimal DOCX whose document.xml has this body."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        types = '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        types += '<Default Extension="xml" ContentType="application/xml"/>'
        archive.writestr("[Content_Types].xml", f'<Types xmlns="{PACKAGE}/content-types">{types}</Types>')
        link = f'<Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="word/document.xml"/>'
        archive.writestr("_rels/.rels", f'<Relationships xmlns="{PACKAGE}/relationships">{link}</Relationships>')
        document = f'<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>'
        archive.writestr("word/document.xml", prologue + document)
        for name, data in parts.items():
            archive.writestr(name, data)


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def read_one(folder: Path) -> Document:
    (document,), skipped = read_documents(Documents(path="."), folder)
    assert not skipped
    return document


def reasons(folder: Path) -> dict[str, str]:
    """Why each file was refused; a good file stands beside them."""
    (folder / "good.md").write_text(WORDS)
    documents, skipped = read_documents(Documents(path="."), folder)
    assert [d.id for d in documents] == ["good.md"]
    return {u.document_id: u.reason for u in skipped}


def test_a_docx_is_its_paragraphs(tmp_path: Path) -> None:
    write_docx(tmp_path / "the-bay.docx", paragraph(WORDS) + paragraph("Salt meadows."))
    assert read_one(tmp_path).text == f"{WORDS}\n\nSalt meadows."


def test_slides_are_headings_and_texts_without_marks_of_their_number(tmp_path: Path) -> None:
    deck = Presentation()
    for title in ("Pellick", "Ossel"):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = f"{WORDS}\nSalt meadows."
    deck.save(tmp_path / "deck.pptx")
    document = read_one(tmp_path)
    assert document.title == "Pellick"
    assert [line for line in document.text.splitlines() if line] == [
        *("# Pellick", WORDS, "Salt meadows."),
        *("# Ossel", WORDS, "Salt meadows."),
    ]


def test_html_is_read_in_its_own_encoding(tmp_path: Path) -> None:
    head = '<html><head><meta charset="iso-8859-1"><script>evil()</script></head><body><h1>Café</h1>'
    (tmp_path / "a.html").write_bytes(f"{head}<p>{WORDS}</p></body></html>".encode("latin-1"))
    document = read_one(tmp_path)
    assert (document.title, document.text) == ("Café", f"# Café\n\n{WORDS}")


def test_an_encrypted_pdf_says_so(tmp_path: Path) -> None:
    source = next(CORPUS.glob("*.pdf"))
    for name, password in (("locked.pdf", "sesame"), ("open.pdf", "")):
        writer = pypdf.PdfWriter(clone_from=source)
        writer.encrypt(password, "owner", algorithm="AES-256")
        writer.write(tmp_path / name)
    documents, skipped = read_documents(Documents(path="."), tmp_path)
    assert [d.id for d in documents] == ["open.pdf"]
    assert [(u.document_id, u.reason) for u in skipped] == [("locked.pdf", "is encrypted")]
    assert "without a password" in skipped[0].todo


def test_an_office_file_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "parts.pptx", "w") as archive:
        for number in range(10_001):
            archive.writestr(f"{number}", b"")
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b" " * 65 * 2**20)
    (tmp_path / "xml.docx").write_bytes(bomb.getvalue())
    assert len(bomb.getvalue()) < 2**17
    found = reasons(tmp_path)
    assert set(found) == {"parts.pptx", "xml.docx"}
    assert all("too much" in reason for reason in found.values()), found


def test_a_part_larger_than_it_states_is_not_read_beyond(tmp_path: Path) -> None:
    write_docx(tmp_path / "liar.docx", paragraph("word " * 2**21))
    data = (tmp_path / "liar.docx").read_bytes()
    with zipfile.ZipFile(tmp_path / "liar.docx") as archive:
        size = archive.getinfo("word/document.xml").file_size.to_bytes(4, "little")
    assert data.count(size) == 2
    (tmp_path / "liar.docx").write_bytes(data.replace(size, (999).to_bytes(4, "little")))
    assert "liar.docx" in reasons(tmp_path)


def test_entities_of_a_docx_do_not_multiply(tmp_path: Path) -> None:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 9))
    write_docx(tmp_path / "laughs.docx", paragraph("&e8;"), f'<!DOCTYPE x [<!ENTITY e0 "{WORDS}">{levels}]>')
    assert "laughs.docx" in reasons(tmp_path)


def test_what_pretends_to_be_another_kind_is_refused(tmp_path: Path) -> None:
    page = b"<html><body><p>" + WORDS.encode() + b"</p></body></html>"
    for name in ("page.pdf", "page.docx", "page.pptx"):
        (tmp_path / name).write_bytes(page)
    with zipfile.ZipFile(tmp_path / "files.docx", "w") as archive:
        archive.writestr("notes.txt", WORDS)
    assert set(reasons(tmp_path)) == {"page.pdf", "page.docx", "page.pptx", "files.docx"}


def test_deeply_nested_html_is_read_as_plain_text_or_refused(tmp_path: Path) -> None:
    (tmp_path / "deep.html").write_text("<div>" * 5000 + WORDS)
    documents, skipped = read_documents(Documents(path="."), tmp_path)
    assert [d.text for d in documents] == [WORDS] and not skipped


def test_a_file_that_takes_too_long_is_a_row_and_the_next_one_is_read(tmp_path: Path) -> None:
    write_docx(tmp_path / "a-slow.docx", paragraph(WORDS) * 50_000)
    write_docx(tmp_path / "b.docx", paragraph(WORDS))
    converter = Converter(max_memory_mb=4096)
    slow, quick = ((tmp_path / name).read_bytes() for name in ("a-slow.docx", "b.docx"))
    assert converter.convert(quick, ".docx", 60) == WORDS
    started = time.monotonic()
    with pytest.raises(CannotReadError, match="took more than 1 s"):
        converter.convert(slow, ".docx", 1)
    assert time.monotonic() - started < 5
    assert converter.convert(quick, ".docx", 60) == WORDS
    assert converter.process is not None
    converter.process.kill()


def pdf_of(stream: bytes) -> bytes:
    """A PDF of one page whose content is this stream, compressed twice."""
    filters = "/Filter [/FlateDecode /FlateDecode]"
    return (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R>>endobj\n"
        + f"4 0 obj<</Length {len(stream)}{filters}>>stream\n".encode()
        + stream
        + b"\nendstream endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
    )


@pytest.mark.slow
def test_a_pdf_that_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(b" " * 2**24) for _ in range(24)) + packer.flush()  # 384 MiB
    data = pdf_of(zlib.compress(packed))
    assert len(data) < 2**20
    converter = Converter(max_memory_mb=800)
    with pytest.raises(CannotReadError, match="too much memory"):
        converter.convert(data, ".pdf", 60)
    write_docx(tmp_path / "b.docx", paragraph(WORDS))
    assert converter.convert((tmp_path / "b.docx").read_bytes(), ".docx", 60) == WORDS
    assert converter.process is not None
    converter.process.kill()


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", [0, 5])
def test_a_pickle_is_never_loaded_whatever_its_name(tmp_path: Path, protocol: int) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    data = pickle.dumps((WORDS, Bomb(tmp_path / "loaded")), protocol)
    suffixes = "pkl pickle pt npy arrow docx pptx pdf parquet jsonl csv".split()
    for suffix in suffixes:
        (docs / f"a.{suffix}").write_bytes(data)
    assert set(reasons(docs)) >= {f"a.{suffix}" for suffix in suffixes if suffix != "jsonl"}
    assert not (tmp_path / "loaded").exists()
    pickle.loads(data)
    assert (tmp_path / "loaded").exists()
