"""Imports go one way: `augment` knows nothing of `train`, and what `train` reads from it stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import augment

FILES = sorted(Path(augment.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_augment_never_imports_train(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not [n for n in names if n.split(".")[0] == "train"]


def test_light_modules_and_the_command_line_import_no_heavy_library() -> None:
    for modules, heavy in [
        (
            "augment.shards, augment.settings, augment.models, augment.errors",
            "ray vllm datasets torch transformers",
        ),
        ("augment.cli", "ray vllm datasets torch"),
    ]:
        code = f"import sys, {modules}\nprint([m for m in {heavy.split()} if m in sys.modules])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]", modules
