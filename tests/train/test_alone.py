"""`train` works where neither Ray nor vLLM nor datasets is installed: notes to runs, evaluation, report, one answer."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.worlds import write_world

BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("ray", "vllm", "datasets"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
try:
    import ray
    raise SystemExit("not blocked")
except ModuleNotFoundError:
    pass
import train.evaluate.measure, train.evaluate.base
for module in (train.evaluate.measure, train.evaluate.base):
    module.known_ids = lambda answers: {"k0", "k1", "k2"}  # a random model answers nothing
from typer.testing import CliRunner
from train.cli import app
for words in eval(sys.argv[1]):
    done = CliRunner().invoke(app, words)
    print(done.output)
    assert done.exit_code == 0, (words, done.output, done.exception)
assert not {"ray", "vllm", "datasets"} & set(sys.modules)
"""


@pytest.mark.slow
def test_all_of_train_runs_without_ray_vllm_and_datasets(tiny_model: Path, tmp_path: Path) -> None:
    file = str(write_world(tmp_path, tiny_model))
    methods = {"memory": {"layers": [1], "num_keys": 16}, "lora": {"rank": 2}, "full": {}, "prefix": {"num_tokens": 4}}
    methods |= {"none": {}, "in_context": {}, "retrieval": {"top_k": 1}}
    chosen = ["--set", f"train.methods={json.dumps(methods)}", "--set", "train.objectives=[distill]"]
    chosen += ["--set", "train.epochs=1"]
    runs = [[command, file, *chosen] for command in ("run", "evaluate", "report")]
    memory = str(tmp_path / "out" / "train" / "memory")
    others = [["status", str(tmp_path / "out")], ["ask", memory, "Who built it?"], ["patch", "list", memory]]
    command = [sys.executable, "-c", BLOCKED, repr([*runs, *others])]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "finished" in done.stdout and "report: " in done.stdout
    assert (tmp_path / "out" / "report" / "report.html").is_file()
