"""A plan passes by unit by unit: ids hash what a note depends on, and what is to be done goes through a file."""

from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from augment.config import AugmentFile
from augment.plan import Census, Plan, iterate_units, make_plan
from augment.records import Unit, content_id
from augment.strategies.registry import STRATEGIES
from augment.templates import load_template
from augment.todo import MAX_BLOCKS, Todo, read_block


def write_document(folder: Path, name: str, text: str = "lies at the head of a shallow bay in the west") -> None:
    (folder / "docs").mkdir(exist_ok=True)
    (folder / "docs" / f"{name}.md").write_text(f"# {name}\n\nThe town of {name} {text}.\n")


def plan_in(folder: Path, strategies: dict[str, Any] | None = None, **augment: Any) -> Plan:
    strategies = strategies or {"verbatim": {}, "paraphrase": {"rounds": 3}}
    options = {"documents": {"path": "docs"}, "engine": {"kind": "echo"}, "strategies": strategies, **augment}
    return make_plan(AugmentFile.model_validate({"out": str(folder / "out"), "augment": options}), folder)


def units_of(plan: Plan) -> list[Unit]:
    return [unit for units in iterate_units(plan) for unit in units]


def test_an_id_hashes_chunk_strategy_template_engine_sampling_seed_and_round(tmp_path: Path) -> None:
    write_document(tmp_path, "Pellick")
    plan = plan_in(tmp_path)
    sampling, options = plan.settings.augment.sampling, STRATEGIES["paraphrase"].options()
    (unit,) = (u for u in units_of(plan) if u.strategy == "paraphrase" and u.round == 2)
    chunk = unit.chunk
    parts = [chunk.document_id, f"{chunk.start}", chunk.topic, chunk.text, "paraphrase"]
    parts += [options.model_dump_json(exclude={"rounds"}), load_template("paraphrase").hash]
    assert unit.id == content_id(*parts, "echo", sampling.model_dump_json(), "0", "2")


def test_a_changed_document_or_template_or_setting_changes_its_units_alone(tmp_path: Path) -> None:
    for name in ("Pellick", "Ossel"):
        write_document(tmp_path, name)
    before = {unit.id: unit for unit in units_of(plan_in(tmp_path))}
    assert len(before) == 8

    def changed(plan: Plan) -> set[tuple[str, str]]:
        return {(u.chunk.document_id, u.strategy) for u in units_of(plan) if u.id not in before}

    assert changed(plan_in(tmp_path)) == set()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "paraphrase.jinja").write_text("Say it anew: {{ chunk }}")
    paraphrases = {("Pellick.md", "paraphrase"), ("Ossel.md", "paraphrase")}
    assert changed(plan_in(tmp_path, prompts="own")) == paraphrases
    assert changed(plan_in(tmp_path, {"verbatim": {}, "paraphrase": {"styles": ["loudly"]}})) == paraphrases
    assert len(changed(plan_in(tmp_path, sampling={"temperature": 0.1}))) == 4
    write_document(tmp_path, "Ossel", "was moved to the north of the isles last year")
    assert changed(plan_in(tmp_path)) == {("Ossel.md", "paraphrase"), ("Ossel.md", "verbatim")}


def test_documents_are_read_when_their_turn_comes(tmp_path: Path) -> None:
    for name in ("A", "B"):
        write_document(tmp_path, name)
    (tmp_path / "docs" / "C.md").write_bytes(b"\xff\x00")
    census = Census()
    chunks = iterate_units(plan_in(tmp_path), census)
    assert [units[0].chunk.document_id for units in islice(chunks, 1)] == ["A.md"] and census.num_documents == 1
    assert census.num_unreadable == 0
    list(chunks)
    assert census.unreadable_ids == {"C.md"}


def test_what_cannot_be_read_is_counted_and_the_first_are_shown(tmp_path: Path) -> None:
    write_document(tmp_path, "A")
    for i in range(8):
        (tmp_path / "docs" / f"{i}.md").write_text("word")
    reported: list[Any] = []
    census = Census(report=reported.append)
    list(iterate_units(plan_in(tmp_path, documents={"path": "docs", "on_unreadable": "skip"}), census))
    assert len(reported) == census.num_unreadable == 8 and len(census.unreadable) == 5
    lines = census.describe_unreadable()
    assert "0.md has 1 words" in lines[0] and lines[-1] == "and 3 more that cannot be read"


@pytest.mark.parametrize("support", ["chunk", "document"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_blocks_of_any_size_hold_every_unit_once_in_order(tmp_path: Path, size: int, support: str) -> None:
    for name in ("Pellick", "Crake", "Ossel\u2028", "Tarrow"):
        write_document(tmp_path, name)
    chunks = list(iterate_units(plan_in(tmp_path, filters={"support": support}, chunks={"max_tokens": 16})))
    assert {bool(units[0].chunk.document_text) for units in chunks} == {support == "document"}
    todo = Todo(tmp_path / "todo.jsonl")
    chunks[1] = chunks[1][2:]  # the others are done
    for units in chunks:
        todo.add(units)
    todo.close()
    blocks = todo.list_blocks(size)
    read = [read_block(todo.path, block) for block in blocks]
    assert [unit for units in read for unit in units] == [unit for units in chunks for unit in units]
    assert {len(units) for units in read[:-1]} <= {size} and 0 < len(read[-1]) <= size


def test_a_large_plan_has_larger_blocks_instead_of_more(tmp_path: Path) -> None:
    write_document(tmp_path, "Pellick")
    todo = Todo(tmp_path / "todo.jsonl")
    (units,) = iterate_units(plan_in(tmp_path, {"paraphrase": {"rounds": 1000}}))
    for _ in range(10):
        todo.add(units)
    todo.close()
    blocks = todo.list_blocks(1)
    assert len(blocks) == 1000 <= MAX_BLOCKS
    assert sum(block.count for block in blocks) == 10_000 and {block.count for block in blocks} == {10}
    assert read_block(todo.path, blocks[-1]) == units[-10:]
