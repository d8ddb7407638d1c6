"""vLLM writes the answers of weights that it can load, and is refused before any work for others."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from augment.errors import ConfigError
from train.config import Train
from train.evaluate.answers import question_prompt
from train.evaluate.offline import check_vllm, open_writer
from train.evaluate.writer import NetworkWriter
from train.grid import Cell, cells_of
from train.methods.full import FullMethod
from train.methods.options import FullOptions
from train.model import load_model

QUESTIONS = ["What is the capital of France?", "Which planet is called the red planet?", "What do bees make?"]


def list_cells(*methods: str) -> list[Cell]:
    train = Train.model_validate(
        {"methods": dict.fromkeys(methods), "data": {"passages": "p.jsonl", "questions": "q.jsonl"}}
    )

    class File:
        seed = 0

    File.train = train  # type: ignore[attr-defined]
    chosen = train.methods.chosen()
    return [cell for name, options in chosen.items() for cell in cells_of(name, options, File)]  # type: ignore[arg-type]


def test_what_vllm_cannot_load_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.evaluate.offline.find_spec", lambda name: object())
    check_vllm(list_cells("full", "in_context", "retrieval"))
    with pytest.raises(ConfigError, match="cannot load what memory trains"):
        check_vllm(list_cells("full", "memory"))
    monkeypatch.setattr("train.evaluate.offline.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="not installed"):
        check_vllm(list_cells("full"))


@pytest.mark.vllm
@pytest.mark.slow
@pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")
def test_vllm_answers_from_a_full_checkpoint_as_the_network_does(tmp_path: Path) -> None:
    loaded = load_model("smollm2-135m")
    FullMethod(loaded.network, FullOptions(), 0).save(tmp_path)
    own, prompts = NetworkWriter(loaded, 8), [question_prompt(question) for question in QUESTIONS]
    with open_writer(tmp_path, loaded.folder.path, loaded.tokenizer, on_gpu=False, seed=0) as writer:
        answers = writer.answer(prompts, 12)
        free = writer.write_on([writer.ask(question) for question in QUESTIONS], 48)
    assert answers[0] == own.answer(prompts, 12)[0] == "Paris"
    assert all(answer and "\n" not in answer for answer in answers)
    assert "Paris" in free[0].text and any(text.ended for text in free)
