"""The benchmark of prompts counts what parses and what is kept, and keeps the figures of strategies measured before."""

import asyncio
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from augment.engines.base import EchoEngine
from augment.engines.echo import Echo


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "prompt_yield", Path(__file__).parents[1] / "benchmarks" / "prompt_yield.py"
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["prompt_yield"] = module
    spec.loader.exec_module(module)
    return module


def test_yields_are_counted_and_merged(benchmark: ModuleType, tmp_path: Path) -> None:
    data, out = tmp_path / "passages.jsonl", tmp_path / "yield.json"
    texts = ["Pellick is the only town on the island of Ossel.", "The barley of Hent is sold on every Friday there."]
    data.write_text("\n".join(json.dumps({"title": "A_b", "text": text}) for text in texts))
    chunks = benchmark.read_chunks(data, 2, None)
    assert [c.text for c in chunks] == texts and chunks[0].title == "A b"
    for names, engine in [
        (["summary", "study_notes"], EchoEngine()),
        (["study_notes", "active_reading:task"], EchoEngine(refuse_on=["Pellick"])),
    ]:
        asyncio.run(benchmark.run(names, chunks, Echo(engine, 0), out, 0))
    results = benchmark.read_results(out)
    assert list(results) == ["summary", "study_notes", "active_reading:task"]
    notes, task = results["study_notes"], results["active_reading:task"]
    assert (notes.asked, notes.unread, notes.reasons["unparsed"]) == (2, 1, 1)
    assert (task.asked, task.unread, task.calls) == (2, 1, 5)
    assert results["summary"].kept == results["summary"].notes == 2
    assert "| `study_notes` | 2 | 50% |" in "\n".join(benchmark.table(list(results.values())))
