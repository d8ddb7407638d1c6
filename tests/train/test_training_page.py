"""What docs/training.md tells to write in a pipeline file can be written there, and its commands are commands."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from train.cli import app
from train.config import TrainFile
from train.grid import list_cells

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)]
INLINE = [f"{key}: {value}" for key, value in re.findall(r"`(\w+): ([^`]+)`", PAGE)]


def read(train: dict[str, Any]) -> TrainFile:
    data = {"passages": "p", "questions": "q"} | train.pop("data", {})
    whole = {"methods": {"lora": {}}, "data": data} | train
    return TrainFile.model_validate({"out": "o", "train": whole, "evaluate": {"facts": "f", "known": "k"}})


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_its_yaml_is_a_part_of_a_pipeline_file(block: dict[str, Any]) -> None:
    assert list_cells(read(dict(block["train"])))


@pytest.mark.parametrize("text", INLINE)
def test_its_settings_are_settings(text: str) -> None:
    setting = yaml.safe_load(text)
    name = next(iter(setting))
    places = [dict(setting), {"data": setting}, {"methods": setting}]
    inside = [place for place in places if name in TrainFile.model_fields or is_read(place)]
    assert inside, f"{text} stands nowhere in a `train` part"


def is_read(train: dict[str, Any]) -> bool:
    try:
        read(dict(train))
    except ValueError:
        return False
    return True


def test_its_commands_are_commands() -> None:
    commands = set(re.findall(r"`train (\w+)", PAGE))
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert commands and commands <= known | {group.name for group in app.registered_groups}
