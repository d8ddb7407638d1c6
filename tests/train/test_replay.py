"""Replay: which texts, and learning of them what the base model itself finds likely."""

from pathlib import Path

import pytest
import torch

from augment.errors import ConfigError, DatasetError
from augment.settings import load_settings
from tests.worlds import invoke, write_world
from train.config import TrainFile
from train.data import pad
from train.model import load_model
from train.objectives import learned_logits
from train.stage import Stage
from train.training import taught_corpus

CHOSEN = ["train.objectives=[next_token]", "train.methods={lora: {rank: 2}}", "train.epochs=1"]
REPLAYED = [*CHOSEN, "train.data.replay_share=1", "train.data.replay_from=questions"]
DISTILLED = [*REPLAYED, "train.data.replay_objective=distill"]


def options(settings: list[str]) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]


@pytest.mark.parametrize("chosen", [REPLAYED, DISTILLED], ids=["next_token", "distill"])
def test_background_questions_are_replayed(tiny_model: Path, tmp_path: Path, chosen: list[str]) -> None:
    file = write_world(tmp_path, tiny_model)
    said = invoke("run", file, *options(chosen))
    assert ("lora: asking the teacher" in said) == (chosen is DISTILLED)
    assert (tmp_path / "out" / "train" / "teacher.arrow").is_file() == (chosen is DISTILLED)


def test_what_the_base_finds_likely_is_asked_of_replay_alone(tiny_model: Path, tmp_path: Path) -> None:
    file = write_world(tmp_path, tiny_model)
    stage = Stage(load_settings(file, DISTILLED, TrainFile), file.parent)
    loaded = load_model(str(tiny_model))
    corpus = taught_corpus(stage, stage.cells[0], loaded, lambda line: None)
    assert corpus.notes and not any(note.targets for note in corpus.notes)
    batch = pad(corpus.replay)
    assert batch.targets is not None
    texts = loaded.tokenizer.batch_decode([sample.ids for sample in corpus.replay], skip_special_tokens=True)
    assert all(text.startswith("Question: ") and "\nAnswer: " in text for text in texts)
    with torch.no_grad():
        logits, _ = learned_logits(loaded.network, batch)
    own = torch.log_softmax(logits, dim=-1)
    torch.testing.assert_close(own.gather(1, batch.targets.ids), batch.targets.logprobs, atol=0.02, rtol=0)
    others = own.roll(1, dims=0).gather(1, batch.targets.ids)
    assert (others - batch.targets.logprobs).abs().mean() > 0.1, "at another token the base finds others likely"


def test_without_replay_no_teacher_is_asked(tiny_model: Path, tmp_path: Path) -> None:
    chosen = options([*DISTILLED, "train.data.replay_share=0"])
    assert "asking the teacher" not in invoke("run", write_world(tmp_path, tiny_model), *chosen)


def test_no_question_to_replay_is_one_line(tiny_model: Path, tmp_path: Path) -> None:
    file = write_world(tmp_path, tiny_model)
    (tmp_path / "none.jsonl").write_text("")
    stage = Stage(load_settings(file, [*DISTILLED, "train.data.questions=none.jsonl"], TrainFile), file.parent)
    with pytest.raises(DatasetError, match=r"nothing to replay: .*none\.jsonl is empty; see train\.data\.replay_from"):
        stage.corpus(load_model(str(tiny_model)), "next_token")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ("train.data.replay_from=question", "train.data.replay_from = 'question' is wrong (give `questions`, or"),
        ("train.data.replay_from={paht: x}", "unknown key train.data.replay_from.paht"),
        ("train.data.replay_objective=kl", "train.data.replay_objective = 'kl' is wrong"),
        ("evaluate.facts={limit: 3}", "the key evaluate.facts.path is missing"),
    ],
)
def test_a_wrong_source_is_named_by_its_key(tiny_model: Path, tmp_path: Path, chosen: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_settings(write_world(tmp_path, tiny_model), [chosen], TrainFile)
    assert message in str(error.value)
