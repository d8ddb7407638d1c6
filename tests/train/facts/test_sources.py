"""Rows of the usual question sets are read alike, and the alias to teach is the one that reads best."""

from pathlib import Path
from typing import Any

import pytest

from augment.errors import DatasetError
from tests.train.facts.questions import write_lines
from train.facts.answers import choose_answer
from train.facts.settings import Source
from train.facts.sources import parse_question, read_passages, read_questions


@pytest.mark.parametrize(
    ("row", "answers", "is_canonical"),
    [
        ({"answers": ["Hent", "Hent", " Osk "]}, ("Hent", "Osk"), False),
        ({"answer": ["Hent"]}, ("Hent",), False),
        ({"answer": "Hent"}, ("Hent",), False),
        ({"answer": {"value": "Hent", "aliases": ["hent", "Hent (town)"]}}, ("Hent", "hent", "Hent (town)"), True),
        ({"answers": {"text": ["Hent"], "answer_start": [3]}}, ("Hent",), False),
    ],
)
def test_the_forms_of_nq_triviaqa_and_squad_are_read_alike(
    row: dict[str, Any], answers: tuple[str, ...], is_canonical: bool
) -> None:
    found = parse_question({"question": "Where?", **row}, "row 1")
    assert (found.answers, found.is_canonical) == (answers, is_canonical)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('"Who said ""no""?"', 'Who said "no"?'),
        ('Who  said\n"no"?', 'Who said "no"?'),
        ('Who said "no?', "Who said no?"),
    ],
)
def test_marks_that_a_table_left_in_a_question_go(written: str, read: str) -> None:
    assert parse_question({"question": written, "answers": ["a"]}, "row 1").text == read


def test_rows_about_one_text_are_one_passage(tmp_path: Path) -> None:
    rows = [
        {"title": "The_port", "context": "It was dug by Ada.", "question": q, "answers": {"text": ["Ada"]}}
        for q in ("Who dug it?", "By whom was it dug?")
    ]
    write_lines(tmp_path, passages=[*rows, {"title": "Alone", "text": "Nothing is asked."}])
    first, second = read_passages(Source(path="passages.jsonl"), tmp_path)
    assert (first.title, len(first.questions), first.questions[0].document) == ("The port", 2, first.id)
    assert second.questions == ()


def test_a_dataset_is_fetched_only_where_its_file_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def load_dataset(name: str, config: str | None, split: str) -> list[dict[str, Any]]:
        calls.append((name, config, split))
        return [{"question": "Where?", "answer": ["Hent"]}]

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    source = Source(path="here.jsonl", dataset="some/questions", config="small")
    assert read_questions(source, tmp_path)[0].answers == ("Hent",)
    write_lines(tmp_path, here=[{"question": "Who?", "answers": ["Ada"]}])
    assert read_questions(source, tmp_path)[0].answers == ("Ada",)
    assert calls == [("some/questions", "small", "validation")]


def test_a_dataset_that_cannot_be_fetched_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("no route to the Hub\nmore")

    monkeypatch.setattr("datasets.load_dataset", refuse)
    with pytest.raises(DatasetError, match=r"some/questions cannot be read \(no route to the Hub\); download it"):
        read_questions(Source(dataset="some/questions"), tmp_path)


@pytest.mark.parametrize(
    ("aliases", "chosen"),
    [
        (["Pixie dust", "Tinkerbell", "Tinker Bell", "Tinker Bell (Disney)"], "Tinker Bell"),
        (["Leonard nimoy", "Leonard Nimoy", "LEONARD NIMOY", "Leonard Nemoy"], "Leonard Nimoy"),
        (["Libya (National Transitional Council)", "LIBYA", "Libya"], "Libya"),
        (["that which nobody in all the world could say"], ""),
        (["1821", "eighteen twenty-one"], "1821"),
        (["%22Jim%22", "(film)"], ""),
    ],
)
def test_the_alias_that_is_taught_reads_well_and_is_like_the_others(aliases: list[str], chosen: str) -> None:
    assert choose_answer(aliases, max_words=5) == chosen


def test_a_canonical_answer_is_taught_where_it_reads_well() -> None:
    aliases = ["Cruithne", "Tinker Bell", "Tinker bell"]
    assert choose_answer(aliases, 5, is_canonical=True) == "Cruithne"
    assert choose_answer(["(odd)", *aliases[1:]], 5, is_canonical=True) == "Tinker Bell"
