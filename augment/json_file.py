"""Replaces a JSON file in one step."""

import json
import os
from pathlib import Path
from typing import Any


def write_json(data: Any, path: Path) -> None:
    """Replace a JSON file in one step; one that cannot be written, on a full disk say, leaves nothing beside it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            json.dump(data, stream, indent=2)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
