"""Every mistake is one line on stderr and exit code 2, and leaves no output behind."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy
import pytest
from datasets import load_from_disk
from safetensors.numpy import save_file
from typer.testing import CliRunner

from augment.cli import app

GOOD = """\
out: {out}
augment:
  documents: {{path: docs}}
  engine: {{kind: echo}}
  strategies: {{verbatim: {{}}, paraphrase: {{}}}}
"""
MODEL = "--set augment.engine.kind=vllm --set model={folder}/"


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# Pellick\n\nPellick is the only town on the island of Ossel.\n")
    (tmp_path / "empty").mkdir()
    for name, files in {"bare": ["model.safetensors"], "pickled": ["pytorch_model.bin"]}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text('{"model_type": "llama"}')
        for file in files:
            save_file({"x": numpy.zeros(2, numpy.float32)}, tmp_path / name / file)
    file = tmp_path / "pipeline.yaml"
    file.write_text(GOOD.format(out=tmp_path / "out"))
    return file


def nothing(folder: Path) -> None:
    """Leaves the good pipeline as it is."""


def binary(folder: Path) -> None:
    (folder / "docs" / "0.txt").write_bytes(b"\x00\xff" * 99)


def hostile(folder: Path) -> None:
    (folder / "hostile").mkdir()
    (folder / "hostile" / "paraphrase.jinja").write_text("{{ ''.__class__ }}")


def one_word(folder: Path) -> None:
    (folder / "docs" / "0.md").write_text("word")


@pytest.mark.parametrize(
    ("options", "prepare", "expected"),
    [
        ("--set augment.chunkz=1", nothing, "did you mean chunks?"),
        ("--set augment.chunks.max_tokens=many", nothing, "augment.chunks.max_tokens = 'many'"),
        ("--set augment.strategies={{}}", nothing, "names no strategy"),
        ("--set augment.documents.path=empty", nothing, "no file in"),
        ("--set augment.documents.path=nowhere", nothing, "no folder or file"),
        ("--set augment.documents.on_unreadable=stop", binary, "0.txt"),
        ("--set augment.documents.on_unreadable=stop", one_word, "0.md has 1 words"),
        ("--set augment.documents.include=[../*.md]", nothing, "may not leave the documents folder"),
        ("--set augment.documents.include=[/a.md]", nothing, "relative to the documents folder"),
        ("--set augment.documents.path=docs/*/../../*.md", nothing, "may not leave the documents folder"),
        ("--set augment.chunks.overlap=999", nothing, "at most half of max_tokens"),
        ("--set augment.chunks.max_tokens=4000", nothing, "max_model_len is 2048"),
        ("--set augment.prompts=nowhere", nothing, "augment.prompts: no folder"),
        ("--set augment.prompts=hostile", hostile, "template paraphrase: access to attribute '__class__'"),
        (MODEL + "bare", nothing, "has no tokenizer"),
        (MODEL + "pickled", nothing, "pickled weights, which are never loaded"),
        (MODEL + "unknown", nothing, "no model folder"),
    ],
)
@pytest.mark.parametrize("command", ["run", "plan", "preview"])
def test_a_mistake_is_one_line_and_leaves_nothing(
    pipeline: Path, command: str, options: str, prepare: Callable[[Path], None], expected: str
) -> None:
    prepare(pipeline.parent)
    arguments = [command, str(pipeline), *options.format(folder=pipeline.parent).split()]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: ") and expected in result.stderr
    assert result.stderr.count("\n") == 1 and "Traceback" not in result.stderr
    assert not (pipeline.parent / "out").exists()


def test_a_missing_pipeline_is_one_line_and_debug_shows_the_error() -> None:
    result = CliRunner().invoke(app, ["run", "no/such.yaml"])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert result.stderr.startswith("error: no pipeline file no/such.yaml; ")
    assert type(CliRunner().invoke(app, ["run", "no/such.yaml", "--debug"]).exception).__name__ == "ConfigError"


@pytest.mark.parametrize("command", ["preview", "plan"])
def test_preview_and_plan_write_nothing(pipeline: Path, command: str) -> None:
    before = sorted(pipeline.parent.rglob("*"))
    result = CliRunner().invoke(app, [command, str(pipeline)])
    assert result.exit_code == 0, result.output
    assert "paraphrase" in result.stdout
    assert sorted(pipeline.parent.rglob("*")) == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a tmpfs takes root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("free_kib", [0, 8, 16])
def test_a_full_disk_is_one_line_and_no_half_written_notes(pipeline: Path, small_disk: Path, free_kib: int) -> None:
    (small_disk / "filler").write_bytes(b"x" * 1024 * (64 - free_kib))
    result = CliRunner().invoke(app, ["run", str(pipeline), "--set", f"out={small_disk}/out"])
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: No space left") and result.stderr.count("\n") == 1
    assert "free some space" in result.stderr
    assert not (small_disk / "out" / "notes").exists()


def test_a_disk_that_fills_while_notes_are_written_is_one_line_and_leaves_a_valid_dataset(
    pipeline: Path, small_disk: Path
) -> None:
    (small_disk / "filler").write_bytes(b"x" * 1024 * 16)
    more = ["--set", "augment.strategies.paraphrase.rounds=60", "--set", "augment.units_per_shard=4"]
    result = CliRunner().invoke(app, ["run", str(pipeline), "--set", f"out={small_disk}/out", *more])
    assert result.exit_code == 2, result.output
    assert result.stderr.splitlines()[-1].startswith("error: No space left"), result.stderr
    assert "free some space" in result.stderr
    (small_disk / "filler").unlink()
    kept = load_from_disk(str(small_disk / "out" / "notes"))
    assert set(kept) == {"train", "rejected"}
