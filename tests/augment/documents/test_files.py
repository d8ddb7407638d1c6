"""Folders, globs and URLs to files: order, ids, and links, names and folders that mean harm."""

import functools
import http.server
import json
import os
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from augment.documents import Documents, Unreadable, iterate_documents, read_documents
from augment.errors import DocumentError, IngrainError

WORDS = "Pellick lies at the head of a shallow bay.\n"


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(WORDS)


def ids(base: Path, path: str, **options: object) -> list[str]:
    """Ids of the documents, unreadable ones marked."""
    found = iterate_documents(Documents(path=path, **options), base)
    return [f"!{d.document_id}" if isinstance(d, Unreadable) else d.id for d in found]


def test_a_glob_as_path_reads_what_it_matches_below_its_fixed_part(tmp_path: Path) -> None:
    write(tmp_path, "docs/a.md", "docs/b.txt", "docs/deep/er/c.md", "other/d.md")
    assert ids(tmp_path, "docs/*.md") == ["a.md"]
    assert ids(tmp_path, "docs/**/*.md") == ["a.md", "deep/er/c.md"]
    assert ids(tmp_path, "*/*.md") == ["docs/a.md", "other/d.md"]
    assert ids(tmp_path, "docs/**/*", include=["*.txt"]) == ["b.txt"]
    assert ids(tmp_path / "docs", "../other") == ["d.md"]


def test_a_glob_below_the_current_folder_stays_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "docs/a.md", "other/b.md", "c.md")
    monkeypatch.chdir(tmp_path)
    assert ids(Path("."), "d*/*.md") == ["docs/a.md"]
    assert ids(Path("."), "*.md") == ["c.md"]
    with pytest.raises(DocumentError, match=r"no file in \. matches x\*/\*"):
        ids(Path("."), "x*/*")


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    write(tmp_path, "docs/a.md", "docs/deep/b.md", "docs/c.txt", "secret.md")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/docs"
        server.shutdown()


def test_files_and_folders_of_a_web_server_are_read(tmp_path: Path, web: str) -> None:
    assert ids(tmp_path, f"{web}/a.md") == ["a.md"]
    assert ids(tmp_path, f"{web}/") == ["a.md", "c.txt", "deep/b.md"]
    assert ids(tmp_path, f"{web}/**/*.md") == ["a.md", "deep/b.md"]
    (document,) = read_documents(Documents(path=f"{web}/a.md"), tmp_path)[0]
    assert (document.source, document.text) == (f"{web}/a.md", WORDS)
    with pytest.raises(DocumentError, match=r"no folder or file .*/none\.md"):
        ids(tmp_path, f"{web}/none.md")
    with pytest.raises(DocumentError, match=r"http://127\.0\.0\.1:1/a\.md cannot be reached \(.*connection"):
        ids(tmp_path, "http://127.0.0.1:1/a.md")


def test_a_name_with_brackets_is_read_as_it_stands(tmp_path: Path) -> None:
    write(tmp_path, "docs [1]/a[x].md")
    assert ids(tmp_path, "docs [1]") == ["a[x].md"]
    assert ids(tmp_path, "docs [1]/a[x].md") == ["a[x].md"]


def test_order_is_that_of_paths_part_by_part(tmp_path: Path) -> None:
    names = ["b.md", "a/z.md", "a.md", "a-b/x.md", "a/b/c.md"]
    write(tmp_path, *names)
    assert ids(tmp_path, ".") == [p.as_posix() for p in sorted(Path(n) for n in names)]


def test_files_are_read_only_when_they_are_asked_for(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "b.md")
    documents = iterate_documents(Documents(path=".", on_unreadable="stop"), tmp_path)
    assert getattr(next(documents), "id", "") == "a.md"
    (tmp_path / "b.md").write_text("")
    with pytest.raises(DocumentError, match="has 0 words"):
        next(documents)


@pytest.mark.parametrize("path", [".", "*/*.md", "./runs/../"])
def test_what_a_run_wrote_below_the_documents_is_no_document(tmp_path: Path, path: str) -> None:
    write(tmp_path, "a/a.md", "runs/out/notes/README.md", "runs/out/b.md", "runs/other.md", "runs/out2/c.md")
    (tmp_path / "link").symlink_to(tmp_path)
    for out in (tmp_path / "runs" / "out", tmp_path / "link" / "runs" / "out"):
        found = [getattr(d, "id", "") for d in iterate_documents(Documents(path=path), tmp_path, out)]
        assert found == ["a/a.md", "runs/other.md", *(["runs/out2/c.md"] if path != "*/*.md" else [])]
    with pytest.raises(DocumentError, match="is the folder of the documents and of the output; set out to"):
        next(iterate_documents(Documents(path=path), tmp_path, tmp_path))
    assert len(list(iterate_documents(Documents(path="a/a.md"), tmp_path, tmp_path / "a"))) == 1


@pytest.mark.parametrize("path", ["docs/*/../../secret.md", "docs/**/../*", "memory://docs/*/../x"])
def test_a_glob_may_not_climb_out_of_its_folder(tmp_path: Path, path: str) -> None:
    write(tmp_path, "docs/a/b.md", "secret.md")
    with pytest.raises(DocumentError, match=r"may not leave the documents folder with \.\."):
        ids(tmp_path, path)


@pytest.mark.parametrize("pattern", ["../*.md", "a/../../b.md", "/etc/*", "", "a**"])
def test_a_pattern_that_is_empty_absolute_or_climbs_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"folder|slashes"):
        Documents(path=".", include=[pattern])


def test_links_inside_are_read_and_links_out_of_the_folder_are_rows(tmp_path: Path) -> None:
    write(tmp_path, "docs/a.md", "docs/deep/b.md", "secret/key.md")
    docs = tmp_path / "docs"
    (docs / "inside.md").symlink_to(docs / "a.md")
    (docs / "out.md").symlink_to(tmp_path / "secret" / "key.md")
    (docs / "out").symlink_to(tmp_path / "secret")
    (docs / "nothing.md").symlink_to("gone.md")
    (tmp_path / "link").symlink_to(docs)
    expected = ["a.md", "deep/b.md", "inside.md", "!nothing.md", "!out", "!out.md"]
    assert ids(tmp_path, "docs") == expected
    assert ids(tmp_path, "link") == expected
    reasons = {u.document_id: u.reason for u in read_documents(Documents(path="docs"), tmp_path)[1]}
    assert "outside of the documents folder" in reasons["out.md"] and "link to nothing" in reasons["nothing.md"]
    assert ids(tmp_path, "docs", include=["*.md"], limit=2) == ["a.md", "inside.md"]


def test_link_loops_end(tmp_path: Path) -> None:
    write(tmp_path, "docs/a.md", "docs/deep/b.md")
    (tmp_path / "docs" / "deep" / "up").symlink_to(tmp_path / "docs")
    (tmp_path / "docs" / "self").symlink_to("self")
    assert ids(tmp_path, "docs") == ["a.md", "deep/b.md", "!self"]


def test_a_pipe_is_a_row_and_is_never_opened(tmp_path: Path) -> None:
    write(tmp_path, "a.md")
    os.mkfifo(tmp_path / "pipe.md")
    assert ids(tmp_path, ".") == ["a.md", "!pipe.md"]


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """A folder in a folder, 1100 times; `shutil.rmtree`, with which pytest tidies up, cannot remove it."""
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("d", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    yield tmp_path
    subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)


def test_very_deep_folders_are_walked(deep: Path) -> None:
    write(deep, "a.md", "z.md")
    assert ids(deep, ".") == ["a.md", "z.md"]


def test_a_name_that_is_not_utf8_is_a_row_that_can_be_written(tmp_path: Path) -> None:
    write(tmp_path, "a.md")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.md")).write_text(WORDS)
    _, skipped = read_documents(Documents(path="."), tmp_path)
    assert [u.document_id for u in skipped] == ["caf\\udce9.md"] and "name" in skipped[0].reason
    json.dumps(skipped[0].source).encode()


def test_a_file_larger_than_the_bound_is_a_row(tmp_path: Path) -> None:
    write(tmp_path, "a.md")
    (tmp_path / "big.txt").write_text(WORDS * 30_000)
    assert ids(tmp_path, ".", max_file_mb=1) == ["a.md", "!big.txt"]


def test_memory_file_and_zip_urls_are_read(tmp_path: Path) -> None:
    write(tmp_path, "docs/a.md", "docs/deep/b.md", "docs/.hidden.md")
    with fsspec.open("memory://corpus/one/c.md", "w") as stream:
        stream.write(WORDS)
    with zipfile.ZipFile(tmp_path / "docs.zip", "w") as archive:
        for name in ("z.md", "in/y.md", ".hidden.md", "../evil.md"):
            archive.writestr(name, WORDS)
    assert ids(tmp_path, f"file://{tmp_path}/docs") == ["a.md", "deep/b.md"]
    assert ids(tmp_path, "memory://corpus") == ["one/c.md"]
    assert ids(tmp_path, "memory://corpus/**/*.md") == ["one/c.md"]
    assert ids(tmp_path, "memory://corpus/one/c.md") == ["c.md"]
    in_zip = f"zip://::{tmp_path}/docs.zip"
    assert [i for i in ids(tmp_path, in_zip) if not i.startswith("!")] == ["in/y.md", "z.md"]
    assert ids(tmp_path, f"zip://in/*.md::{tmp_path}/docs.zip") == ["y.md"]
    assert ids(tmp_path, "zip://in/*.md::docs.zip") == ["y.md"]
    sources = [d.source for d in read_documents(Documents(path=in_zip), tmp_path)[0]]
    assert sources == [f"zip://{name}::{tmp_path}/docs.zip" for name in ("in/y.md", "z.md")]
    source = read_documents(Documents(path="memory://corpus"), tmp_path)[0][0].source
    assert source == "memory:///corpus/one/c.md"


def test_a_member_of_a_zip_archive_is_bounded_by_what_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "docs.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.md", WORDS)
        archive.writestr("bomb.txt", b"x " * 2**20)
    assert ids(tmp_path, f"zip://::{tmp_path}/docs.zip", max_file_mb=1) == ["a.md", "!bomb.txt"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("nothing://x", "cannot be opened"),
        ("memory://no/such/folder", "no folder or file memory:///no/such/folder"),
        ("zip://*.md::/no/such.zip", "cannot be opened"),
        ("zip://*.md::{folder}/a.md", "cannot be opened"),
        ("s3://name:sesame@bucket/x", "a URL with a password cannot be opened"),
        ("s3://name:sesame@bucket/*/../x", "a URL with a password cannot be opened"),
        ("https://[x/y?sesame", "cannot be opened"),
    ],
)
def test_a_url_that_cannot_be_read_is_one_line_without_secrets(tmp_path: Path, path: str, expected: str) -> None:
    write(tmp_path, "a.md")
    with pytest.raises(IngrainError, match=expected) as caught:
        ids(tmp_path, path.format(folder=tmp_path))
    assert "\n" not in str(caught.value) and "sesame" not in str(caught.value)
