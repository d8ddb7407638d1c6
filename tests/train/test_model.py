"""A base model whose files are cut short is one line, whatever is cut."""

import shutil
from pathlib import Path

import pytest

from augment.errors import ModelError
from train.model import load_model


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_a_truncated_file_of_the_base_is_one_line(tiny_model: Path, tmp_path: Path, name: str, share: float) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ModelError, match=r"cannot be loaded .*; fetch it again"):
        load_model(str(folder))
