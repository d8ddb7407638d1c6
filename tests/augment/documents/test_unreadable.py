"""The table of what could not be read: whole or not at all, gone when there is nothing to say."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from augment.cli import app
from augment.documents import TABLE, Unreadable, UnreadableTable

ROW = Unreadable("docs/a.txt", "a.txt", "is not UTF-8 text (byte 7)", "save it as UTF-8")
PIPELINE = """\
out: {folder}/out
augment:
  documents: {{path: docs}}
  engine: {{kind: echo}}
  strategies: {{verbatim: {{}}}}
"""


def rows(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / TABLE).read_text(encoding="utf-8").splitlines()]


def test_rows_are_written_and_an_empty_run_removes_them(tmp_path: Path) -> None:
    with UnreadableTable(tmp_path) as table:
        table.add(ROW)
        table.add(Unreadable("b\udce9.txt", "b\udce9.txt", "two\nlines \ud800", "mend it"))
        assert not (tmp_path / TABLE).exists()
    assert rows(tmp_path)[0] == {
        "source": "docs/a.txt",
        "document_id": "a.txt",
        "reason": "is not UTF-8 text (byte 7)",
        "todo": "save it as UTF-8",
    }
    assert rows(tmp_path)[1]["reason"] == "two lines \\ud800"
    with UnreadableTable(tmp_path) as table:
        pass
    assert table.num_rows == 0 and list(tmp_path.iterdir()) == []


def test_what_is_printed_holds_no_control_characters() -> None:
    error = Unreadable("docs/\x1b[2J\u202e.txt", "x", "has 0 words", "mend it").error
    assert str(error) == "docs/\\x1b[2J\\u202e.txt has 0 words; mend it"


def test_a_run_that_fails_leaves_the_table_as_it_was(tmp_path: Path) -> None:
    with UnreadableTable(tmp_path) as table:
        table.add(ROW)
    for num_rows in (0, 2):
        with pytest.raises(KeyError), UnreadableTable(tmp_path) as table:
            for _ in range(num_rows):
                table.add(Unreadable("x", "x", "x", "x"))
            raise KeyError
    assert len(rows(tmp_path)) == 1 and [f.name for f in tmp_path.iterdir()] == [TABLE]


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A pipeline over one good document, one that is no text, and a table with a broken row."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# Pellick\n\nPellick is the only town on the island of Ossel.\n")
    (tmp_path / "docs" / "b.txt").write_bytes(b"\xff\xfb" * 99)
    (tmp_path / "docs" / "c.jsonl").write_text('{"text": "five words are enough here"}\n{"text": "lone \\ud800"}\n')
    (tmp_path / "pipeline.yaml").write_text(PIPELINE.format(folder=tmp_path))
    return tmp_path / "pipeline.yaml"


def test_a_plan_goes_on_and_shows_what_cannot_be_read(pipeline: Path) -> None:
    shown = CliRunner().invoke(app, ["plan", str(pipeline)])
    assert shown.exit_code == 0, shown.output
    assert "2 documents" in shown.stdout and "b.txt is not UTF-8 text" in shown.stdout
    assert not (pipeline.parent / "out").exists()


@pytest.mark.slow
def test_a_run_says_how_many_files_were_left_out_and_where_they_are_listed(pipeline: Path) -> None:
    folder = pipeline.parent
    done = CliRunner().invoke(app, ["run", str(pipeline)])
    assert done.exit_code == 0, done.output
    assert f"2 files or rows could not be read and were left out: {folder}/out/{TABLE}" in done.stdout
    assert [row["document_id"] for row in rows(folder / "out")] == ["b.txt", "c.jsonl#2"]
    (folder / "docs" / "b.txt").unlink()
    (folder / "docs" / "c.jsonl").unlink()
    done = CliRunner().invoke(app, ["run", str(pipeline)])
    assert done.exit_code == 0 and "could not be read" not in done.stdout
    assert not (folder / "out" / TABLE).exists()
