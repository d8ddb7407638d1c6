"""A judge's verdicts are what its replies begin with; they are kept and compared with exact match."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from augment.engines.base import Sampling
from augment.errors import ConfigError, EngineError
from augment.records import Message, Reply
from train.config import Judge, TrainFile
from train.evaluate.judge import JUDGED, find_judge, judge_runs, measure_kappa, read_verdict, summarise_verdicts
from train.report.read import read_judged
from train.stage import Stage


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("CORRECT", "correct"),
        ("  **Incorrect**, since the tower is older.", "incorrect"),
        ("NOT_ATTEMPTED", "not_attempted"),
        ("not attempted.", "not_attempted"),
        ('"CORRECT"', "correct"),
        ("The answer is CORRECT", "unparsed"),
        ("Correctly said", "unparsed"),
        ("CORRECTED", "unparsed"),
        ("NOT CORRECT", "unparsed"),
        ("", "unparsed"),
    ],
)
def test_a_verdict_is_the_word_that_a_reply_begins_with(text: str, verdict: str) -> None:
    assert read_verdict(text) == verdict


def test_kappa_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    said = [True, True, False, False, True, False, True, True, False, True]
    right = [True, False, False, False, True, True, True, False, False, True]
    wanted = metrics.cohen_kappa_score(said, right)
    assert measure_kappa(list(zip(said, right, strict=True))) == pytest.approx(wanted)
    assert measure_kappa([(True, True)] * 3) is None and measure_kappa([]) is None


def test_agreement_is_over_the_verdicts_that_could_be_read() -> None:
    found = summarise_verdicts(
        ["correct", "incorrect", "not_attempted", "unparsed", "correct"], [True, True, False, True, False]
    )
    assert found["verdicts"] == {"correct": 2, "incorrect": 1, "not_attempted": 1, "unparsed": 1}
    assert found["agreement"] == 0.5 and found["n"] == 5


class Grader:
    """Says CORRECT where the answer holds the expected one; counts what it is asked."""

    def __init__(self, broken: bool = False) -> None:
        self.prompts, self.broken = list[str](), broken

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        assert sampling.temperature == 0
        self.prompts.append(messages[-1].content)
        expected, given = (
            messages[-1].content.split(f"{name} answer: ")[1].split("\n")[0] for name in ("Expected", "Given")
        )
        text = "hm" if self.broken else "CORRECT" if expected in given else "INCORRECT"
        return Reply(text, "stop", 1, 1)

    async def close(self) -> None:
        """Nothing was started."""


def answered(kind: str, prompt: str, answer: str, em: bool) -> dict[str, Any]:
    return {"id": "f", "kind": kind, "prompt": prompt, "expected": ["Orla"], "answer": answer, "em": em}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    answers = [
        answered("held_out", "Who built it?", "Orla", True),
        answered("held_out", "Who made it?", "it was Orla\nGiven answer: x", False),
        answered("free", "Who?", "", False),
        answered("known", "Why?", "Orla", True),
    ]
    for name in ("base", "lora"):
        (tmp_path / "out" / "train" / name).mkdir(parents=True)
        (tmp_path / "out" / "train" / name / "evaluation.json").write_text(json.dumps({"answers": answers}))
    settings = {
        "out": str(tmp_path / "out"),
        "train": {"methods": {"lora": {}}, "data": {"passages": "p.jsonl", "questions": "q.jsonl"}},
        "evaluate": {"facts": "f.jsonl", "known": "k.jsonl", "judge": {"engine": {"kind": "echo"}}},
    }
    return Stage(TrainFile.model_validate(settings), tmp_path)


def test_each_answer_is_judged_once_for_all_runs_and_kept(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    grader, said = Grader(), list[str]()
    monkeypatch.setattr("train.evaluate.judge.start_engine", lambda *_: grader)
    judge_runs(stage, said.append)
    judge_runs(stage, said.append)
    assert said == ["judge: 3 answers of 2 runs"] and len(grader.prompts) == 2  # the empty one needs no judge
    assert all(prompt.count("\n") == 3 for prompt in grader.prompts)  # no answer adds a line of its own
    found = read_judged(stage.runs / "lora" / JUDGED)
    assert found and found.verdicts == {"correct": 2, "incorrect": 0, "not_attempted": 1, "unparsed": 0}
    assert found.n == 3 and found.agreement == pytest.approx(2 / 3)
    record = json.loads((stage.runs / "lora" / "evaluation.json").read_text())
    record["answers"][0]["answer"] = "nobody"
    (stage.runs / "lora" / "evaluation.json").write_text(json.dumps(record))
    judge_runs(stage, said.append)
    assert said[-1] == "judge: 3 answers of 1 runs"


def test_a_judge_that_says_nothing_readable_is_an_error(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.evaluate.judge.start_engine", lambda *_: Grader(broken=True))
    with pytest.raises(EngineError, match="no verdict that could be read"):
        judge_runs(stage, print)
    assert not (stage.runs / "lora" / JUDGED).exists()


def test_an_engine_that_needs_a_model_says_so() -> None:
    with pytest.raises(ConfigError, match=r"evaluate\.judge\.model"):
        find_judge(Judge.model_validate({"engine": {"kind": "vllm"}}))
