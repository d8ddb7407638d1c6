"""JSON lines, CSV and Parquet to documents: ids, columns, and every broken row in the error table."""

import gzip
import json
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augment.documents import Documents, Unreadable, iterate_documents, read_documents
from augment.documents.unique import SeenIds
from augment.errors import DocumentError
from augment.records import Document

WORDS = "Pellick lies at the head of a shallow bay."
NAMED = {"text": "body", "title": "name", "id": "key"}


def read(folder: Path, **options: object) -> tuple[list[Document], list[Unreadable]]:
    return read_documents(Documents(path=".", **options), folder)


def write_lines(path: Path, *lines: object) -> None:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))


ROWS = [{"key": "q7", "name": "Pellick", "body": WORDS, "n": 1}, {"key": "q8", "name": "", "body": WORDS * 2, "n": 2}]


def write_jsonl(folder: Path) -> None:
    write_lines(folder / "t.jsonl", *ROWS)


def write_csv(folder: Path) -> None:
    lines = [f'{r["key"]},{r["name"]},"{r["body"]}",{r["n"]}' for r in ROWS]
    (folder / "t.csv").write_text("\ufeff" + "\n".join(["key,name,body,n", *lines]) + "\n")


def write_parquet(folder: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "t.parquet")


@pytest.mark.parametrize("write", [write_jsonl, write_csv, write_parquet])
def test_rows_are_documents_by_their_columns(tmp_path: Path, write: object) -> None:
    write(tmp_path)  # type: ignore[operator]
    name = next(tmp_path.iterdir()).name
    documents, skipped = read(tmp_path, columns=NAMED)
    assert not skipped
    assert [(d.id, d.title, d.text) for d in documents] == [("q7", "Pellick", WORDS), ("q8", "t 2", WORDS * 2)]
    assert {d.source for d in documents} == {str(tmp_path / name)}
    documents, _ = read(tmp_path, columns={"text": "body"})
    assert [d.id for d in documents] == [f"{name}#1", f"{name}#2"]
    documents, _ = read(tmp_path, columns={"text": "body"}, limit=1)
    assert len(documents) == 1


def test_an_id_that_comes_again_is_a_row_even_in_another_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_lines(tmp_path / f"{name}.jsonl", *({"text": WORDS, "id": i} for i in ("x", f"y{name}", "x")))
    documents, skipped = read(tmp_path, columns={"id": "id"})
    assert [(d.id, Path(d.source).name) for d in documents] == [("x", "a.jsonl"), ("ya", "a.jsonl"), ("yb", "b.jsonl")]
    assert [Path(u.source).name for u in skipped] == ["a.jsonl", "b.jsonl", "b.jsonl"]
    assert all(u.document_id == "x (repeated)" and u.reason == "has the id 'x' a second time" for u in skipped)
    with pytest.raises(DocumentError, match=r"give every row an id of its own"):
        read(tmp_path, columns={"id": "id"}, on_unreadable="stop")
    assert len(read(tmp_path)[0]) == 6


def test_many_ids_are_told_apart() -> None:
    seen = SeenIds()
    assert all(seen.add(f"{i}") for i in range(20_000))
    assert not any(seen.add(f"{i}") for i in range(20_000)) and seen.add("20000")
    assert len(seen.table) == 2**16


@pytest.mark.parametrize("write", [write_jsonl, write_csv, write_parquet])
def test_an_unknown_column_is_one_line_that_names_those_there_are(tmp_path: Path, write: object) -> None:
    write(tmp_path)  # type: ignore[operator]
    for how in ("stop", "skip"):
        with pytest.raises(DocumentError) as caught:
            read(tmp_path, columns={"text": "bodi", "id": "key"}, on_unreadable=how)
        text = str(caught.value)
        assert "has no column bodi (it has key, name, body, n)" in text and "\n" not in text
        assert "augment.documents.columns" in text


def test_a_broken_json_line_is_a_row_with_its_line_number(tmp_path: Path) -> None:
    bad = ["{", "[1]", "3", '{"text": 5}', '{"body": "x"}', '{"text": "lone \\ud800 surrogate in these words"}']
    bad += ['{"text": "a zero \\u0000 in these few words"}', '{"text": "short"}', "[" * 100_000, "1" * 5000]
    write_lines(tmp_path / "t.jsonl", {"text": WORDS}, *bad, "", {"text": WORDS + " \ud83d\ude00"})
    documents, skipped = read(tmp_path)
    assert [d.id for d in documents] == ["t.jsonl#1", "t.jsonl#13"]
    assert documents[1].text.endswith("\N{GRINNING FACE}")
    assert [u.document_id for u in skipped] == [f"t.jsonl#{n}" for n in range(2, 12)]
    parts = ["JSON", "no JSON object", "no JSON object", "text is int", "has no column text", "lone surrogate"]
    parts += ["zero", "1 words", "JSON", "JSON"]
    for number, row, part in zip(range(2, 12), skipped, parts, strict=True):
        assert row.reason.startswith(f"line {number}") and part in row.reason, row
        assert row.todo and len(row.reason) < 300


def test_bytes_that_are_not_utf8_cost_only_their_row(tmp_path: Path) -> None:
    good = json.dumps({"text": WORDS}).encode()
    (tmp_path / "t.jsonl").write_bytes(good + b'\n{"text": "caf\xe9 in these five words here"}\n' + good + b"\n")
    (tmp_path / "u.csv").write_bytes(b"text\n" + WORDS.encode() + b"\ncaf\xe9 in these five words here\n")
    documents, skipped = read(tmp_path)
    assert [d.id for d in documents] == ["t.jsonl#1", "t.jsonl#3", "u.csv#1"]
    assert [u.document_id for u in skipped] == ["t.jsonl#2", "u.csv#2"]


def test_utf16_tables_are_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"text\n{WORDS}\n", encoding="utf-16")
    (tmp_path / "t.jsonl").write_text(json.dumps({"text": WORDS}) + "\n", encoding="utf-16")
    assert [d.text for d in read(tmp_path)[0]] == [WORDS, WORDS]


def test_csv_rows_of_wrong_length_are_rows_and_an_open_quote_ends_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f'id,text\n1,"{WORDS}\nAnd more, in a second line."\n2\n3,a,b\n\n4,{WORDS}\n')
    (tmp_path / "b.csv").write_text(f'id,text\n1,{WORDS}\n2,"{WORDS}\n' + f"3,{WORDS}\n" * 9)
    (tmp_path / "c.csv").write_text("")
    documents, skipped = read(tmp_path)
    assert [d.id for d in documents] == ["a.csv#1", "a.csv#4", "b.csv#1"]
    assert documents[0].text == f"{WORDS}\nAnd more, in a second line."
    assert [u.document_id for u in skipped] == ["a.csv#2", "a.csv#3", "b.csv", "c.csv"]
    assert "row 2 has 1 columns, the first line has 2" in skipped[0].reason
    assert "no row after it was read" in skipped[2].reason
    assert "has no column text (it has none)" in skipped[3].reason


def test_an_endless_field_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text\n"' + "word " * 300_000)
    (tmp_path / "a.jsonl").write_text('{"text": "' + "word " * 300_000 + '"}')
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": WORDS}))
    documents, skipped = read(tmp_path, max_file_mb=1)
    assert [d.id for d in documents] == ["b.jsonl#1"]
    assert [u.document_id for u in skipped] == ["a.csv", "a.jsonl"]


def test_ids_of_rows_are_texts_or_whole_numbers(tmp_path: Path) -> None:
    values = [7, "x", "", None, True, 1.5, "lone \ud800"]
    write_lines(tmp_path / "t.jsonl", *({"id": value, "text": WORDS} for value in values))
    documents, skipped = read(tmp_path, columns={"id": "id"})
    assert [d.id for d in documents] == ["7", "x"]
    assert [u.document_id for u in skipped] == [f"t.jsonl#{n}" for n in range(3, 8)]


def test_a_parquet_file_that_is_broken_or_holds_wrong_bytes_is_rows(tmp_path: Path) -> None:
    data = pa.array([WORDS.encode(), b"caf\xe9 in these five words here", WORDS.encode()]).cast(pa.binary())
    wrong = pa.StringArray.from_buffers(3, data.buffers()[1], data.buffers()[2])
    pq.write_table(pa.table({"text": wrong}), tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-20])
    (tmp_path / "c.parquet").write_bytes(gzip.compress(b"x" * 999))
    documents, skipped = read(tmp_path)
    assert [d.id for d in documents] == ["a.parquet#1", "a.parquet#3"]
    assert [u.document_id for u in skipped] == ["a.parquet#2", "b.parquet", "c.parquet"]


def test_parquet_is_read_in_batches_and_only_the_columns_that_are_wanted(tmp_path: Path) -> None:
    table = pa.table({"text": [f"{WORDS} {n}" for n in range(1000)], "wide": ["x" * 100_000] * 1000})
    pq.write_table(table, tmp_path / "t.parquet", use_dictionary=False, compression="none")
    del table
    before, documents = pa.total_allocated_bytes(), iterate_documents(Documents(path="t.parquet"), tmp_path)
    first = next(documents)
    assert isinstance(first, Document) and pa.total_allocated_bytes() - before < 2**20
    assert sum(1 for _ in documents) == 999


@pytest.mark.parametrize("name", ["t.jsonl", "t.csv"])
def test_rows_stream_in_memory_that_does_not_grow_with_the_file(tmp_path: Path, name: str) -> None:
    text = WORDS * 100
    with (tmp_path / name).open("w") as stream:
        stream.write("text\n" if name == "t.csv" else "")
        stream.writelines(f"{text} {n}\n" if name == "t.csv" else f'{{"text": "{text} {n}"}}\n' for n in range(3000))
    tracemalloc.start()
    assert sum(1 for _ in iterate_documents(Documents(path=name), tmp_path)) == 3000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / name).stat().st_size > 12 * 10**6 and peak < 2 * 10**6, peak


def test_a_title_from_a_column_is_one_bounded_line(tmp_path: Path) -> None:
    write_lines(tmp_path / "t.jsonl", {"text": WORDS, "title": "A\nB \ud800\u0000" + "x" * 999})
    (document,), _ = read(tmp_path, columns={"title": "title"})
    assert document.title.startswith("A B \ufffd\ufffdx") and len(document.title) == 200
