"""Packages bring strategies, engines and filters by entry point; one that is broken is one line that names it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from augment.cli import app
from augment.engines.registry import ENGINES
from augment.filters.registry import RULES
from augment.shards import read_rows
from augment.strategies.registry import STRATEGIES

Plan = Callable[..., Result]

EXAMPLE = Path(__file__).parents[1] / "plugin_example"
PIPELINE = """\
out: out
augment:
  documents: {path: docs}
  engine: {kind: parrot, repeat: 2}
  strategies: {verbatim: , shout: {volume: 2, rounds: 2}}
  filters: {plugins: [too_quiet]}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the example package is installed into."""
    source = tmp_path_factory.mktemp("source") / "plugin"  # a copy: building leaves files beside the sources
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path_factory.mktemp("site")
    command = f"-m pip -qq install --no-deps --no-build-isolation --no-index --target {target} {source}"
    done = subprocess.run([sys.executable, *command.split()], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# Pellick\n\nPellick is the only town on the island of Ossel.\n")
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    return tmp_path / "pipeline.yaml"


def run_augment(site: Path, pipeline: Path) -> None:
    environment = os.environ | {"PYTHONPATH": f"{site}{os.pathsep}{Path(__file__).parents[2]}"}
    command = [sys.executable, "-m", "augment.cli", "run", pipeline.name]
    done = subprocess.run(command, cwd=pipeline.parent, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Iterator[Plan]:
    """Runs `augment plan`, or another command, with the packages of a folder installed; forgets them afterwards."""

    def run(site: Path, pipeline: Path, *overrides: str, command: str = "plan") -> Result:
        monkeypatch.syspath_prepend(site)
        forget()
        return CliRunner().invoke(app, [command, str(pipeline), *[part for o in overrides for part in ("--set", o)]])

    yield run
    monkeypatch.undo()
    forget()


def forget() -> None:
    for registry in (STRATEGIES, ENGINES, RULES):
        vars(registry).pop("installed", None)
        registry.loaded.clear()
    for name in [n for n in sys.modules if n.split(".")[0] in ("ingrain_shout", "bad_apple")]:
        del sys.modules[name]


@pytest.mark.slow
def test_strategy_engine_and_filter_of_a_package_work_end_to_end(site: Path, pipeline: Path, plan: Plan) -> None:
    run_augment(site, pipeline)
    notes = pipeline.parent / "out" / "notes"
    said = "PELLICK IS THE ONLY TOWN ON THE ISLAND OF OSSEL."
    (row,) = read_rows(notes, "train")
    assert row["text"] == f"{said} {said}!!" and (row["engine"], row["strategy"]) == ("parrot", "shout")
    assert row["template"] == "shout" and row["template_hash"]
    rejected = sorted((r["strategy"], r["reason"]) for r in read_rows(notes, "rejected"))
    assert rejected == [("shout", "duplicate"), ("verbatim", "too_quiet")]
    saved = (pipeline.parent / "out" / "augment.yaml").read_text()
    assert "repeat: 2" in saved and "volume: 2" in saved
    later = plan(site, pipeline, f"out={pipeline.parent / 'out'}")
    assert "to write: about 0 tokens" in later.stdout, later.output


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("augment.strategies.shout.volume=0", "pipeline.yaml:5: augment.strategies.shout.volume = 0 is wrong (input"),
        ("augment.strategies.shout.volum=2", "shout.volum = 2 is wrong (unknown key, known are rounds, volume)"),
        ("augment.strategies.shot={}", "unknown key augment.strategies.shot; did you mean shout?"),
        (
            "augment.engine.repeet=1",
            "yaml:4: augment.engine.repeet = 1 is wrong (unknown key, known are max_model_len,",
        ),
        ("augment.engine.kind=parot", "tag 'parot' found using 'kind' does not match any of the expected tags"),
        ("augment.filters.plugins=[loud]", "augment.filters.plugins names loud, which no installed package brings"),
    ],
)
def test_a_mistake_in_a_plugins_options_is_one_line(
    site: Path, pipeline: Path, plan: Plan, override: str, expected: str
) -> None:
    done = plan(site, pipeline, override)
    assert done.exit_code == 2 and done.stderr.count("\n") == 1, done.stderr
    assert expected in done.stderr


def add_package(site: Path, group: str, name: str, code: str) -> None:
    """A package `bad-apple` with one entry point, as an installer would lay it out."""
    (site / "bad_apple.py").write_text(code)
    info = site / "bad_apple-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-apple\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[ingrain.{group}]\n{name} = bad_apple:THING\n")


@pytest.mark.parametrize(
    ("group", "name", "code", "expected"),
    [
        ("strategies", "sour", "import no_such_module", "does not load (ModuleNotFoundError: No module named 'no_such"),
        ("strategies", "sour", "1 / 0", "does not load (ZeroDivisionError: division by zero)"),
        ("strategies", "sour", "", "does not load (AttributeError: module 'bad_apple' has no attribute 'THING')"),
        ("strategies", "sour", "THING = 3", "is of type int, not Strategy"),
        ("engines", "sour", "THING = 3", "is of type int, not EngineKind"),
        ("filters", "sour", "THING = 3", "is of type int, not Callable"),
        ("strategies", "verbatim", "THING = 3", "brings verbatim, a name that ingrain has"),
        ("engines", "echo", "THING = 3", "brings echo, a name that ingrain has"),
        ("filters", "copy", "THING = 3", "brings copy, a name that ingrain has"),
        ("strategies", "shout", "THING = 3", "brings shout, a name that ingrain-shout has"),
    ],
)
def test_a_broken_plugin_is_one_line_that_names_its_package(
    site: Path, pipeline: Path, plan: Plan, group: str, name: str, code: str, expected: str
) -> None:
    both = pipeline.parent / "site"
    shutil.copytree(site, both)
    add_package(both, group, name, code)
    wanted = {"strategies": "strategies.sour={}", "engines": "engine.kind=sour", "filters": "filters.plugins=[sour]"}
    done = plan(both, pipeline, *([f"augment.{wanted[group]}"] if name == "sour" else []))
    assert done.exit_code == 2 and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr, done.stderr
    assert done.stderr.startswith(f"error: ingrain.{group}: ") and "bad-apple" in done.stderr
    assert expected in done.stderr or ("shout" in expected and "a name that bad-apple has" in done.stderr)


FAILING = """
from augment.strategies.base import Options, Strategy
async def study(chunk, ask, options):
    raise KeyError("seed")
    yield
THING = Strategy("sour", Options, study)
def filter(note, chunk, options):
    raise KeyError("pip")
"""


def test_a_plugin_that_fails_at_work_is_named(site: Path, pipeline: Path, plan: Plan) -> None:
    both = pipeline.parent / "site"
    shutil.copytree(site, both)
    add_package(both, "strategies", "sour", FAILING)
    info = both / "bad_apple-1.0.dist-info" / "entry_points.txt"
    info.write_text(f"{info.read_text()}[ingrain.filters]\nbitter = bad_apple:filter\n")
    shown = plan(both, pipeline, "augment.strategies.sour={}", command="preview").stdout
    assert "rejected: failed" in shown and "package bad-apple failed (KeyError: 'seed')" in " ".join(shown.split())
    done = plan(both, pipeline, "augment.filters.plugins=[bitter]", command="preview")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ingrain.filters: bitter of the package bad-apple failed (KeyError: 'pip'); ")


def test_a_broken_plugin_that_nobody_asked_for_is_not_loaded(site: Path, pipeline: Path, plan: Plan) -> None:
    both = pipeline.parent / "site"
    shutil.copytree(site, both)
    add_package(both, "strategies", "sour", "raise SystemExit('loaded')")
    done = plan(both, pipeline)
    assert done.exit_code == 0 and "shout" in done.stdout, done.stderr
