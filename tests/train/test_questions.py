"""Question sets in the forms in which others publish them become our own, and what is none is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from augment.errors import DatasetError
from train.config import QuestionSet
from train.evaluate.questions import answers_of, find_document, read_facts, read_known, read_neighbours

SHARED = Path(__file__).parents[3] / "shared" / "data"


def save(path: Path, rows: list[Any]) -> str:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path.name


@pytest.mark.parametrize(
    ("row", "answers"),
    [
        ({"answer": "Paris", "aliases": ["the city of Paris", "Paris"]}, ["Paris", "the city of Paris"]),
        ({"answers": ["14 December 1972", "1972"]}, ["14 December 1972", "1972"]),  # NQ-open as a file
        ({"answer": ["1972", "December"]}, ["1972", "December"]),  # NQ-open on the Hub
        ({"answers": {"text": ["Santa Clara", "Santa Clara"], "answer_start": [1, 1]}}, ["Santa Clara"]),  # SQuAD, Hub
        ({"answers": [{"text": "gold", "answer_start": 4}]}, ["gold"]),  # SQuAD's own file
        (
            {"answer": {"value": "Sunset", "aliases": ["Sunset Blvd"], "type": "x"}},
            ["Sunset", "Sunset Blvd"],
        ),  # TriviaQA
        ({"answer": 9}, ["9"]),
        ({"answer": " "}, []),
        ({}, []),
    ],
)
def test_answers_in_every_form_are_a_list(row: dict[str, Any], answers: list[str]) -> None:
    assert answers_of(row) == answers


def test_general_questions_keep_all_answers_and_get_an_id_of_their_content(tmp_path: Path) -> None:
    name = save(
        tmp_path / "q.jsonl", [{"question": "Who?", "answers": ["A", "B"]}, {"question": "Where?", "answer": "C"}]
    )
    first, second = read_known(name, tmp_path)
    assert first["answers"] == ["A", "B"] and first["id"] != second["id"]
    assert read_known(QuestionSet(path=name, limit=1), tmp_path) == [first]


def test_squads_file_asks_about_the_document_of_its_title(tmp_path: Path) -> None:
    asked = [
        {"id": "1", "question": "Where was it?", "answers": [{"text": "Santa Clara", "answer_start": 0}]},
        {"id": "2", "question": "Why?", "answers": [], "is_impossible": True},
    ]
    paragraphs = [{"context": "It was in Santa Clara.", "qas": asked}]
    squad = {"version": "1.1", "data": [{"title": "Super_Bowl_50", "paragraphs": paragraphs}]}
    (tmp_path / "dev.json").write_text(json.dumps(squad))
    (fact,) = read_facts("dev.json", tmp_path, ["a/super bowl 50.txt", "b.md"])
    assert (fact["id"], fact["document"], fact["cue"]) == ("1", "a/super bowl 50.txt", "")
    assert fact["questions"] == ["Where was it?"] and fact["answer"] == "Santa Clara"
    with pytest.raises(DatasetError, match="asks nothing about the trained documents"):
        read_facts("dev.json", tmp_path, ["other.md"])


def test_passages_with_questions_and_rows_without_a_document(tmp_path: Path) -> None:
    passage = {"title": "tower", "text": "...", "questions": [{"question": "Who built it?", "answers": ["Orla"]}]}
    loose = {"question": "How many bells?", "answer": "nine"}
    name = save(tmp_path / "p.jsonl", [passage, loose])
    facts = read_facts(name, tmp_path, ["tower.md"])
    assert [(f["document"], f["answer"]) for f in facts] == [("tower.md", "Orla"), ("", "nine")]


def test_a_title_of_two_documents_is_none_of_them() -> None:
    assert find_document("tower", ["a/tower.md", "b/tower.md"]) is None
    assert find_document("a/tower.md", ["a/tower.md", "b/tower.md"]) == "a/tower.md"


def test_a_dataset_is_read_from_its_folder(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = {"question": ["Who?", "Where?", "When?"], "answer": [["A"], ["B", "C"], ["D"]]}
    datasets.DatasetDict({"validation": datasets.Dataset.from_dict(rows)}).save_to_disk(str(tmp_path / "nq_open"))
    chosen = {"path": "nq_open", "dataset": {"split": "validation"}, "limit": 2}
    found = read_known(QuestionSet.model_validate(chosen), tmp_path)
    assert [k["answers"] for k in found] == [["A"], ["B", "C"]]
    with pytest.raises(DatasetError, match="has no split test"):
        read_known(QuestionSet.model_validate(chosen | {"dataset": {"split": "test"}}), tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "q.jsonl:1 is not a JSON object"),
        ('{"question": "Who?"}', "is no question"),
        ('{"answer": "A"}', "is no question"),
        ("", "holds no question"),
    ],
)
def test_what_is_no_question_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text(text)
    with pytest.raises(DatasetError, match=message) as caught:
        read_known("q.jsonl", tmp_path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_squads_says_so(tmp_path: Path) -> None:
    (tmp_path / "q.json").write_text('[{"question": "Who?"}]')
    with pytest.raises(DatasetError, match="not in SQuAD's form"):
        read_known("q.json", tmp_path)


def test_neighbours_of_zsre_and_counterfact_are_their_locality_prompts(tmp_path: Path) -> None:
    zsre = {"src": "What is made by UniFirst?", "loc": "nq question: who wrote hamlet", "loc_ans": "Shakespeare"}
    counterfact = {"prompt": "BBC One, by", "locality_prompt": "BBC Radio, by", "locality_ground_truth": "BBC"}
    own = {"question": "Who sang?"}
    name = save(tmp_path / "near.jsonl", [zsre, counterfact, counterfact, own])
    rows = read_neighbours(name, tmp_path)
    found = [(row["set"], row["prompt"], row["answer"]) for row in rows]
    assert found == [
        ("near", "who wrote hamlet?", "Shakespeare"),
        ("near", "BBC Radio, by", "BBC"),
        ("near", "Who sang?", ""),
    ]
    with pytest.raises(DatasetError, match="has no prompt"):
        read_neighbours(save(tmp_path / "bad.jsonl", [{"x": 1}]), tmp_path)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the published files")
@pytest.mark.parametrize(("name", "ends"), [("zsre", True), ("counterfact", False)])
def test_the_published_files_are_read_whole(name: str, ends: bool) -> None:
    rows = read_neighbours(f"{name}.jsonl", SHARED)
    assert len(rows) > 500 and all(row["answer"] for row in rows)
    assert all(row["prompt"].endswith("?") for row in rows) is ends
    assert not any("nq question" in row["prompt"] for row in rows)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the published files")
@pytest.mark.parametrize("name", ["nq_open_dev", "triviaqa_test_dev", "squad_passages"])
def test_published_questions_are_read_whole(name: str) -> None:
    rows = read_known(QuestionSet(path=f"{name}.jsonl", limit=500), SHARED)
    assert len(rows) == len({(row["id"], row["question"]) for row in rows}) > 480
