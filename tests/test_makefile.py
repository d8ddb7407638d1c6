"""The Makefile, CI and the README name the same commands."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def make_targets(text: str) -> set[str]:
    """The targets that the commands of a text make."""
    commands = re.findall(r"(?<!questions )\bmake((?: +[a-z]+)+)", text)  # not `train questions make`
    return {target for command in commands for target in command.split()}


def targets_in_readme() -> set[str]:
    """The targets that the README shows as code: in a block, or between backticks."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```.*?```|`[^`\n]+`", readme, flags=re.DOTALL)
    return make_targets("\n".join(blocks))


def test_ci_runs_only_make_targets_that_the_readme_names() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    commands = [line for line in script.splitlines() if line and not line.startswith("#")]
    assert commands[:2] == ["set -euo pipefail", 'cd "$(dirname "$0")/.."']
    assert commands[2].startswith("command -v chromium") and commands[-2].strip().startswith("|| echo")  # may fail
    assert {"check", "test"} <= make_targets(commands[-1]) <= targets_in_readme()


def test_make_alone_lists_every_target() -> None:
    done = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = set(re.findall(r"^ +make ([a-z]+)", done.stdout, flags=re.MULTILINE))
    assert listed == {"help", "install", "demo", "test", "check", "lock", "clean"}


def test_readme_names_only_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets_in_readme() <= set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
