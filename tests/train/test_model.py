"""The base model: files that are cut short are one line, and its precision is the machine's or as asked for."""

import shutil
from pathlib import Path

import pytest

from augment.errors import ModelError
from train import model
from train.model import holds_bf16, load_model


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_a_truncated_file_of_the_base_is_one_line(tiny_model: Path, tmp_path: Path, name: str, share: float) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ModelError, match=r"cannot be loaded .*; fetch it again"):
        load_model(str(folder))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_precision_is_the_machines_unless_one_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tiny_model: Path, dtype: str
) -> None:
    monkeypatch.setattr(model, "dtype_name", lambda on_gpu: dtype)
    assert holds_bf16(load_model(str(tiny_model)).network) == (dtype == "bfloat16")
    assert holds_bf16(load_model(str(tiny_model), bf16=True).network)
    assert not holds_bf16(load_model(str(tiny_model), bf16=False).network)
