"""The benchmarks' questions are fair: what is asked was never told in that form, and every answer is a candidate."""

import importlib.util
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType

import pytest

from augment.config import AugmentFile
from augment.plan import iterate_units, make_plan
from augment.settings import load_settings

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
        assert not any(told.startswith(asked) for told in fact.told() for asked in fact.asked().values())
    assert facts[:48] == people.invent_facts(48)


def test_more_facts_than_names_are_refused() -> None:
    with pytest.raises(ValueError, match="facts, not 1000"):
        load("people").invent_facts(1000)


def test_passage_facts_have_twelve_candidates_and_are_asked_in_another_form() -> None:
    squad = load("squad")
    names = [chr(65 + i) + "lden" for i in range(20)]
    passages = [
        {
            "title": f"Town {i}",
            "text": f"It is old. The mayor was {name}. Nothing else.",
            "questions": [
                {"question": f"Who was mayor of town {i}?", "answers": [name]},
                {"question": f"Who was mayor of town {i}? ", "answers": [name]},
                {"question": f"Town {i} had which mayor?", "answers": [name]},
                {"question": "How old is it?", "answers": ["very old"]},
            ],
        }
        for i, name in enumerate(names)
    ]
    facts = squad.read_facts(passages, 20, lambda answer: ord(answer[0]))
    for fact, name in zip(facts, names, strict=True):
        assert fact.answer == name and fact.sentence == f"The mayor was {name}."
        assert fact.asked()["reworded"].startswith("Question: Town") and not any(
            "which" in told for told in fact.told()
        )
        assert len(fact.candidates) == len({c[0] for c in fact.candidates}) == 12 and name in fact.candidates
        assert len(set(fact.told())) == 6 and all(name in told for told in fact.told())
        assert not any(told.startswith(asked) for told in fact.told() for asked in fact.asked().values())
    with pytest.raises(ValueError, match="hold 20 such answers, not 21"):
        squad.read_facts(passages, 21, lambda answer: ord(answer[0]))


def test_the_corpus_of_the_scale_benchmark_plans_the_units_it_says(tmp_path: Path) -> None:
    units = load("units")
    units.write_documents(tmp_path / "documents", first=998, count=4)
    (tmp_path / "pipeline.yaml").write_text(units.PIPELINE.format(out=tmp_path / "out", actors=1))
    plan = make_plan(load_settings(tmp_path / "pipeline.yaml", [], AugmentFile), tmp_path)
    chunks = list(iterate_units(plan))
    assert len(chunks) == 4 * units.CHUNKS_PER_DOCUMENT and {len(c) for c in chunks} == {units.UNITS_PER_CHUNK}
    assert len({unit.id for units in chunks for unit in units}) == 4 * 40
    assert len({units[0].chunk.text for units in chunks}) == len(chunks)


def test_generation_rivals_get_the_requests_that_the_units_make(tmp_path: Path) -> None:
    generation = load("generation")
    args = Namespace(requests=40, max_tokens=16, model="smollm2-135m", kv_cache_gib=1)
    plan = generation.plan_requests(args, tmp_path)
    requests = generation.list_requests(plan)
    units = [unit for units in iterate_units(plan) for unit in units]
    assert len(requests) == len(units) == 40
    for unit, turns in zip(units, requests, strict=True):
        assert turns[-1]["role"] == "user" and unit.chunk.text.strip() in turns[-1]["content"]
    assert generation.sampling_of(plan) == {"temperature": 0.8, "top_p": 0.95, "max_tokens": 16}


def test_the_loop_s_figures_say_how_many_times_as_fast_as_its_rival_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    loop = load("train_loop")
    seconds = {"lora": 1.0, "peft_lora": 1.5, "full": 2.0, "trainer_full": 1.0}
    turns = {name: [{"step_sec": seconds.get(name, 4.0), "peak_bytes": 2.0**30}] * 3 for name in loop.TURNS}
    figures = loop.summarise(turns, 512)
    assert figures["lora_vs_peft"] == 1.5 and figures["full_vs_trainer"] == 0.5
    assert set(figures["methods"]) == {*loop.OURS, "none", "peft_lora", "trainer_full"}
    assert figures["methods"]["memory"] == {"tokens_per_sec": 128, "peak_gib": 1.0}
    clock = loop.Clock()
    clock.ticks = [0.0, 9.0, 10.0, 12.0]
    assert clock.seconds() == [1.0, 2.0], "from the end of the warm-up on"


def test_a_sweep_runs_each_variant_with_each_seed_and_refuses_unknown_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    sweep = load("memory_sweep")
    file = tmp_path / "variants.jsonl"
    file.write_text('{"name": "a", "seeds": [0, 3], "set": {"k": 8}}\n\n{"name": "b", "model": "other"}\n')
    runs = list(sweep.list_runs(file, "mine"))
    expected = [("a", 0, "mine"), ("a", 3, "mine"), ("b", 0, "other")]
    assert [(run["name"], run["seed"], run["model"]) for run in runs] == expected
    assert runs[0]["set"] == {"k": 8} and runs[2]["facts"] == 48
    file.write_text('{"name": "a", "layer": 3}\n')
    with pytest.raises(SystemExit, match="unknown key layer"):
        list(sweep.list_runs(file, "mine"))
