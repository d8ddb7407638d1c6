"""The benchmarks' questions are fair: what is asked was never told in that form, and every answer is a candidate."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("num_facts", [48, 480])
def test_invented_people_are_told_in_one_way_and_asked_in_another(num_facts: int) -> None:
    people = load("people")
    facts = people.invent_facts(num_facts)
    assert len(facts) == num_facts and len({(f.name, f.kind) for f in facts}) == num_facts
    assert len({f.name for f in facts}) == num_facts // 2
    for fact in facts:
        assert fact.answer in people.CANDIDATES[fact.kind]
        assert len(set(fact.told())) == 6 and all(fact.name in t and fact.answer in t for t in fact.told())
        assert not any(told.startswith(asked) for told in fact.told() for asked in fact.asked())
    assert facts[:48] == people.invent_facts(48)


def test_more_facts_than_names_are_refused() -> None:
    with pytest.raises(ValueError, match="facts, not 1000"):
        load("people").invent_facts(1000)
