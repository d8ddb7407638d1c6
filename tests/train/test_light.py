"""Everything but workers imports without Ray, vLLM or datasets; the commands in the docs exist."""

import re
import subprocess
import sys
from pathlib import Path

import typer
from typer.testing import CliRunner

from train.cli import app

ROOT = Path(__file__).parents[2]
HEAVY = ("ray", "vllm", "datasets", "lm_eval", "scipy", "jsonschema", "websockets")
CODE = f"""
import importlib, pkgutil, sys
for name in {HEAVY}:
    sys.modules[name] = None
import train
OTHERS = ("train.cluster", "train.memory.gpu_kernel")  # Ray Train; Triton, on GPUs alone
names = [m.name for m in pkgutil.walk_packages(train.__path__, "train.") if m.name not in OTHERS]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def test_all_of_train_but_workers_imports_without_heavy_packages() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 80


def list_commands() -> list[list[str]]:
    """The `train` commands in README and docs, without their comments."""
    texts = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    found = [line for path in texts for line in re.findall(r"^\.venv/bin/train (.*)$", path.read_text(), re.MULTILINE)]
    return [re.split(r"\s+#", line)[0].split() for line in found]


def test_every_train_command_in_the_docs_exists_with_its_options() -> None:
    group = typer.main.get_command(app)
    for words in list_commands():
        command, rest = group, list(words)
        while hasattr(command, "commands"):
            assert rest[0] in command.commands, words
            command = command.commands[rest.pop(0)]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in rest if word.startswith("--")} <= known, words
    assert len(list_commands()) > 15


def test_every_command_has_help() -> None:
    done = CliRunner().invoke(app, ["--help"])
    for name in ("evaluate", "report", "explain", "serve", "questions"):
        assert name in done.output and CliRunner().invoke(app, [name, "--help"]).exit_code == 0
