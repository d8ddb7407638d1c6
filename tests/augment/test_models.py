"""A model's name becomes a folder; a conversion happens once and whole, or not at all."""

import json
import threading
import time
from pathlib import Path

import pytest
from gguf import GGUFWriter

from augment.errors import ModelError
from augment.models import begins_texts, convert_once, find_model


@pytest.fixture
def gguf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "tiny.gguf"
    file.write_bytes(b"GGUF tiny")
    return file


def cached(tmp_path: Path) -> list[str]:
    files = (tmp_path / "cache" / "ingrain" / "models").iterdir()
    return [f.name for f in files if f.suffix != ".lock"]


def test_two_at_once_convert_once_and_see_the_folder_whole(tmp_path: Path, gguf: Path) -> None:
    calls, found = [], []

    def convert(source: Path, folder: Path) -> None:
        calls.append(source)
        (folder / "config.json").write_text("{}")
        time.sleep(0.3)
        (folder / "model.safetensors").write_bytes(b"x")

    def work() -> None:
        folder = convert_once(gguf, convert)
        found.append((folder, sorted(f.name for f in folder.iterdir())))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [gguf]
    assert found[0] == found[1] and found[0][1] == ["config.json", "model.safetensors"]
    assert convert_once(gguf, convert) == found[0][0] and calls == [gguf]
    assert cached(tmp_path) == [found[0][0].name]


def test_a_failed_conversion_leaves_nothing_and_can_be_repeated(tmp_path: Path, gguf: Path) -> None:
    def fail(source: Path, folder: Path) -> None:
        (folder / "half").write_text("half")
        raise ModelError("broken")

    with pytest.raises(ModelError):
        convert_once(gguf, fail)
    assert cached(tmp_path) == []
    assert convert_once(gguf, lambda source, folder: None).is_dir()


def test_the_embedded_model_is_a_folder_with_weights_and_tokenizer() -> None:
    model = find_model("smollm2-135m")
    assert list(model.path.glob("*.safetensors")) and (model.path / "tokenizer.json").is_file()
    assert json.loads((model.path / "config.json").read_text())["model_type"] == "llama"
    assert find_model("smollm2-135m") == model and len(model.revision) == 16
    assert find_model(str(model.path)).revision == model.revision


def test_a_folder_without_weights_and_an_unknown_one_are_errors(tmp_path: Path) -> None:
    for name in (str(tmp_path), "./nope", "nope"):
        with pytest.raises(ModelError) as caught:
            find_model(name)
        assert "\n" not in str(caught.value) and caught.value.todo
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(ModelError, match="2 GGUF files"):
        find_model(str(tmp_path))


@pytest.mark.parametrize("said", [True, False, None])
def test_a_gguf_says_whether_texts_begin_with_a_token(tmp_path: Path, said: bool | None) -> None:
    writer = GGUFWriter(tmp_path / "a.gguf", "llama")
    if said is not None:
        writer.add_add_bos_token(said)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert begins_texts(tmp_path / "a.gguf") is bool(said)
