"""Keeps what the base model answered, under a hash of all that its answers depend on: asked once for any pipeline."""

import json
from importlib import metadata
from pathlib import Path
from typing import Any

from augment.json_file import write_json
from augment.models import cache_folder
from augment.records import content_id

VERSION = "1"  # of what is asked and how; grows when either changes
LIBRARIES = ("torch", "transformers", "peft")


def cache_path(*parts: str) -> Path:
    """Where figures that depend on these texts and on the libraries are kept: `$XDG_CACHE_HOME/ingrain/evaluations`."""
    versions = [f"{name} {metadata.version(name)}" for name in LIBRARIES]
    return cache_folder().parent / "evaluations" / f"{content_id(VERSION, *versions, *parts)}.json"


def read_cached(path: Path) -> dict[str, Any] | None:
    """The figures, None where nobody measured them or the file is broken: then they are measured again."""
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return figures if isinstance(figures, dict) else None


def write_cached(path: Path, figures: dict[str, Any]) -> None:
    """Keep figures; a folder that cannot be written costs the next run its time and nothing else."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(figures, path)
    except OSError:
        return
