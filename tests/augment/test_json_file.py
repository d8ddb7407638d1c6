"""A JSON file is replaced whole or stays as it was."""

import json
import os
from pathlib import Path

import pytest

from augment.json_file import write_json


def test_a_file_is_replaced(tmp_path: Path) -> None:
    write_json({"a": 1}, tmp_path / "x.json")
    write_json({"a": 2}, tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 2} and len(list(tmp_path.iterdir())) == 1


def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json({"a": 1}, tmp_path / "x.json")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_json({"a": 2}, tmp_path / "x.json")
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1}
