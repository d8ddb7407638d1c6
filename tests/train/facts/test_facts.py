"""`train facts` makes sets that are apart from each other, the same ones every time, and asks nothing twice."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.train.facts.questions import KNOWN, TOWNS, keep_rows, learn_rows, say, write_lines, write_pipeline
from train.cli import app
from train.evaluate.score import normalise

FILES = ("documents", "questions", "known", "background", "passages")


@pytest.fixture(autouse=True)
def knowing_some(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The base model answers as `say` does; the list holds how many questions it was asked at a time."""
    asked: list[int] = []

    def answer(loaded: Any, prompts: list[str], *rest: Any) -> list[str]:
        asked.append(len(prompts))
        return say(loaded, prompts, *rest)

    monkeypatch.setattr("train.facts.ask.complete", answer)
    return asked


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["facts", *map(str, arguments)])
    assert done.exit_code == 0, done.output + str(done.exception)
    return done.output


def fail(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["facts", *map(str, arguments)])
    assert done.exit_code == 2 and "Traceback" not in done.output, done.output
    (line,) = [line for line in done.output.splitlines() if line.startswith("error: ")]
    return line


def read(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def read_all(folder: Path) -> dict[str, list[dict[str, Any]]]:
    return {name: read(folder, name) for name in FILES}


def town_of(text: str) -> str:
    return next(town for town in TOWNS if town in text)


def test_facts_are_what_the_base_does_not_answer_one_document_each(tmp_path: Path, tiny_model: Path) -> None:
    run(write_pipeline(tmp_path, tiny_model))
    sets = read_all(tmp_path / "out" / "facts")
    assert len(sets["questions"]) == 6 and not {town_of(q["questions"][0]) for q in sets["questions"]} & KNOWN
    for document, fact in zip(sets["documents"], sets["questions"], strict=True):
        assert document["id"] == fact["document"] == fact["id"] and "cue" not in fact
        assert document["text"] == f"Question: {fact['questions'][0]}\nAnswer: {fact['answer']}"
        assert fact["answer"].endswith(town_of(fact["answer"])) and fact["aliases"][0].endswith("(mayor)")


def test_the_known_set_is_all_questions_to_keep_and_what_the_base_knew(tmp_path: Path, tiny_model: Path) -> None:
    pipeline = write_pipeline(tmp_path, tiny_model)
    run(pipeline)
    known = read(tmp_path / "out" / "facts", "known")
    kept = [row for row in known if row["id"].startswith("nq-")]
    assert len(kept) == 12 and {town_of(row["question"]) for row in kept} - KNOWN
    assert {town_of(row["question"]) for row in known if row["id"].startswith("tqa-")} <= KNOWN
    run(pipeline, "--set", "facts.only_known=true", "--set", "facts.num_probed=100")
    known = read(tmp_path / "out" / "facts", "known")
    assert {town_of(row["question"]) for row in known} <= KNOWN
    assert len([row for row in known if row["id"].startswith("tqa-")]) == len(KNOWN & set(TOWNS))


def test_no_set_holds_a_question_or_an_answer_of_another(tmp_path: Path, tiny_model: Path) -> None:
    write_pipeline(tmp_path, tiny_model)
    same_answers = [{"question": f"who is {i} really", "answers": row["answers"]} for i, row in enumerate(learn_rows())]
    nearly = [
        {"question": f"so {row['question']} do you know", "answers": [f"nobody {i}"]}
        for i, row in enumerate(learn_rows())
    ]
    write_lines(tmp_path, keep=[*same_answers, *nearly, *keep_rows()])
    run(tmp_path / "pipeline.yaml", "--set", "facts.num_keep=40")
    folder = tmp_path / "out" / "facts"
    sets, summary = read_all(folder), json.loads((folder / "facts.json").read_text())
    facts = {normalise(q["questions"][0]) for q in sets["questions"]}
    known, background = ({normalise(row["question"]) for row in sets[name]} for name in ("known", "background"))
    assert facts and known and background and not (facts & known or facts & background or known & background)
    learned = {normalise(a) for q in sets["questions"] for a in (q["answer"], *q["aliases"])}
    assert not learned & {normalise(row["answer"]) for row in (*sets["known"], *sets["background"])}
    assert summary["left_out"]["keep"] == {"same_answer": 6, "near": 6}
    assert set(summary["leaks"].values()) == {0}


def test_a_rerun_asks_nothing_and_changes_nothing(
    tmp_path: Path, tiny_model: Path, knowing_some: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = write_pipeline(tmp_path, tiny_model)
    run(pipeline)
    before, asked = read_all(tmp_path / "out" / "facts"), len(knowing_some)
    assert "is finished" in run(pipeline) and len(knowing_some) == asked
    (tmp_path / "out" / "facts" / "facts.json").unlink()  # as after a kill

    def refuse(name: str) -> None:
        raise AssertionError("the model is loaded")

    monkeypatch.setattr("train.facts.build.load_model", refuse)
    run(pipeline)
    assert len(knowing_some) == asked and read_all(tmp_path / "out" / "facts") == before


def test_answers_of_another_precision_are_asked_again(
    tmp_path: Path, tiny_model: Path, knowing_some: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = write_pipeline(tmp_path, tiny_model)
    for precision in ("float32", "bfloat16"):
        monkeypatch.setattr("train.facts.ask.dtype_name", lambda on_gpu, name=precision: name)
        (tmp_path / "out" / "facts" / "facts.json").unlink(missing_ok=True)
        knowing_some.clear()
        run(pipeline)
        assert knowing_some, precision


def test_a_line_of_the_cache_that_a_kill_cut_is_asked_again(
    tmp_path: Path, tiny_model: Path, knowing_some: list[int]
) -> None:
    pipeline = write_pipeline(tmp_path, tiny_model)
    run(pipeline)
    before, cache = read_all(tmp_path / "out" / "facts"), tmp_path / "out" / "facts" / "answers.jsonl"
    (tmp_path / "out" / "facts" / "facts.json").unlink()
    cache.write_text(cache.read_text()[:-9])
    knowing_some.clear()
    run(pipeline)
    assert knowing_some == [1] and read_all(tmp_path / "out" / "facts") == before
    (tmp_path / "out" / "facts" / "facts.json").unlink()
    knowing_some.clear()
    run(pipeline)
    assert not knowing_some


def test_skipped_facts_make_a_separate_set_and_the_seed_draws_another(tmp_path: Path, tiny_model: Path) -> None:
    pipeline = write_pipeline(tmp_path, tiny_model)
    asked = []
    for name, change in [("a", "facts.skip=0"), ("b", "facts.skip=6"), ("c", "seed=1")]:
        run(pipeline, "--set", change, "--set", f"out={tmp_path / name}")
        asked.append([q["questions"][0] for q in read(tmp_path / name / "facts", "questions")])
    assert not set(asked[0]) & set(asked[1]) and set(asked[0]) != set(asked[2])
    ids = [{q["id"] for q in read(tmp_path / name / "facts", "questions")} for name in "ab"]
    assert not ids[0] & ids[1]


def test_what_cannot_be_taught_is_left_out_by_reason(tmp_path: Path, tiny_model: Path) -> None:
    write_pipeline(tmp_path, tiny_model)
    odd = [
        {"question": "What did he say?", "answers": ["that it is all over and done with for ever"]},
        {"question": "why " * 31, "answers": ["because"]},
        {"question": "Is it Vell or Osk that is called Vell?", "answers": ["Vell"]},
    ]
    write_lines(tmp_path, learn=[*odd, *learn_rows(), *learn_rows()])
    run(tmp_path / "pipeline.yaml")
    summary = json.loads((tmp_path / "out" / "facts" / "facts.json").read_text())
    expected = {"answer_long_or_odd": 1, "question_long": 1, "answer_in_question": 1, "repeated": len(TOWNS)}
    assert summary["left_out"]["learn"] == expected


def test_passages_become_documents_with_their_own_questions(tmp_path: Path, tiny_model: Path) -> None:
    changes = {"learn": None, "documents": {"number": 5, "num_questions": 2}}
    run(write_pipeline(tmp_path, tiny_model, **changes))
    sets = read_all(tmp_path / "out" / "facts")
    assert len(sets["documents"]) == 5 and 1 <= len(sets["questions"]) <= 6
    texts = {document["id"]: document["text"] for document in sets["documents"]}
    assert all(fact["answer"] in texts[fact["document"]] for fact in sets["questions"])
    assert not set(texts.values()) & {passage["text"] for passage in sets["passages"]}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("facts.learn.path=nowhere.jsonl", "no file"),
        ("facts.skip=1000", "no fact is left to learn"),
        ("facts.num_passages=1000", "24 general passages are left; lower facts.num_passages"),
        ("facts.learn={name: a}", "name a file as `path`"),
        ("facts.learn=false", "facts.learn"),
        ("facts.documents={}", "give either `learn` (questions) or `documents` (passages)"),
        ("facts.num_fact=3", "did you mean num_facts?"),
    ],
)
def test_a_wrong_setting_is_one_line(tmp_path: Path, tiny_model: Path, change: str, expected: str) -> None:
    assert expected in fail(write_pipeline(tmp_path, tiny_model), "--set", change)
    assert not (tmp_path / "out" / "facts" / "facts.json").exists()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{", "learn.jsonl:1 is not a JSON object"),
        ('{"answers": ["a"]}', "learn.jsonl:1 has no question"),
        ('{"question": "Who?"}', "learn.jsonl:1 has no answers"),
        ('{"question": "Who?", "answers": [" "]}', "learn.jsonl:1 has no answers"),
        ('{"question": "Who?", "answers": {"text": 3}}', "learn.jsonl:1 has no answers"),
    ],
)
def test_a_broken_question_names_its_line(tmp_path: Path, tiny_model: Path, line: str, expected: str) -> None:
    pipeline = write_pipeline(tmp_path, tiny_model)
    (tmp_path / "learn.jsonl").write_text(line)
    assert expected in fail(pipeline)


def test_a_base_that_knows_nothing_is_one_line(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.facts.ask.complete", lambda loaded, prompts, *rest: ["no idea"] * len(prompts))
    assert "answers none of these questions" in fail(write_pipeline(tmp_path, tiny_model))


def test_the_tiny_model_itself_is_asked(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert "answers none of these questions" in fail(write_pipeline(tmp_path, tiny_model))
    said = read(tmp_path / "out" / "facts", "answers")
    assert len(said) == len({row["question"] for row in said}) >= 18
