"""A rerun does what is missing; what it may do to a folder with notes is asked before anything is paid for."""

import asyncio
import fcntl
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from filelock import FileLock
from rich.console import Console

from augment.config import AugmentFile
from augment.engines.registry import start_engine
from augment.errors import ConfigError, DatasetError
from augment.generate import generate
from augment.plan import Plan, iterate_units, make_plan
from augment.shards import SPLITS, read_rows, stage_rows, staged_pieces
from augment.status import is_locked, print_status, read_status
from augment.store import NoteStore
from augment.study import Study
from augment.summary import print_outcome, print_plan
from tests.rows import blank_row

NAMES = ("Pellick", "Crake", "Tarrow")


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """One Ray for all runs of this file, started by the first."""
    yield
    ray.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    for name in NAMES:
        write_document(tmp_path, name, "a shallow bay")
    return tmp_path


def write_document(folder: Path, name: str, place: str) -> None:
    text = f"# {name}\n\nThe town of {name} lies at the head of {place}, with salt meadows to the west.\n"
    (folder / "docs" / f"{name}.md").write_text(text)


def plan_in(folder: Path, prompts: str | None = None, **augment: Any) -> Plan:
    options = {
        "documents": {"path": "docs"},
        "engine": {"kind": "echo", "prices": {"prompt_per_million": 1e6, "completion_per_million": 2e6}},
        "strategies": {"verbatim": {}, "paraphrase": {"rounds": 2}},
        "prompts": prompts,
    }
    settings = AugmentFile.model_validate({"out": str(folder / "out"), "augment": options | augment})
    return make_plan(settings, folder)


def rows_in(folder: Path) -> list[dict[str, Any]]:
    return [row for split in SPLITS for row in read_rows(folder / "out" / "notes", split)]


def living(folder: Path) -> Counter[str]:
    return Counter(row["unit_id"] for row in rows_in(folder) if row["reason"] != "superseded")


def planned(plan: Plan) -> Counter[str]:
    return Counter(unit.id for units in iterate_units(plan) for unit in units)


def printed(show: Any, thing: Any) -> str:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    show(thing, console)
    return console.export_text()


def test_an_edit_redoes_only_what_it_touches(folder: Path) -> None:
    first = generate(plan_in(folder))
    assert first.tally.units == 9 and living(folder) == planned(plan_in(folder))
    assert generate(plan_in(folder)).tally.units == 0

    write_document(folder, "Crake", "a deep fjord")
    edited = generate(plan_in(folder))
    assert (edited.tally.units, edited.finished_before, edited.superseded) == (3, 6, 3)
    (folder / "own").mkdir()
    (folder / "own" / "paraphrase.jinja").write_text("Say this {{ style }}: {{ chunk }}")
    plan = plan_in(folder, prompts="own")
    templated = generate(plan)
    assert (templated.tally.units, templated.finished_before, templated.superseded) == (6, 3, 6)
    assert living(folder) == planned(plan)
    ids = [row["note_id"] for row in rows_in(folder)]
    assert len(ids) == len(set(ids)) == 18, "nothing is lost: what was superseded is in `rejected`"
    assert not list((folder / "out").glob(".todo*"))


def test_a_setting_that_makes_another_dataset_is_refused_until_it_is_asked_for(folder: Path) -> None:
    generate(plan_in(folder))
    before = rows_in(folder)
    hotter = plan_in(folder, sampling={"temperature": 1.5})
    with pytest.raises(DatasetError, match=r"\(augment.sampling.temperature: 0.8 -> 1.5\); .*--replace"):
        generate(hotter)
    assert rows_in(folder) == before
    assert generate(hotter, replace=True).superseded == 9
    assert living(folder) == planned(hotter)


def test_resume_never_and_always_refuse_before_anything_is_done(folder: Path) -> None:
    plan = plan_in(folder)
    with pytest.raises(DatasetError, match="holds no notes to resume"):
        generate(plan, "always")
    assert not (folder / "out").exists()
    assert generate(plan, "never").tally.units == 9
    with pytest.raises(DatasetError, match="holds notes"):
        generate(plan, "never")
    assert generate(plan, "always").finished_before == 9


@pytest.mark.slow
def test_more_actors_than_cores_are_started(folder: Path) -> None:
    plan = plan_in(folder, engine={"kind": "echo", "actors": 5}, units_per_shard=1)
    assert generate(plan).tally.units == 9 and living(folder) == planned(plan)


def test_what_was_staged_before_a_kill_is_kept_and_its_duplicates_are_rejected(folder: Path) -> None:
    store, plan = NoteStore(folder / "out" / "notes"), plan_in(folder)
    units = [unit for units in iterate_units(plan) for unit in units if unit.strategy == "verbatim"]
    engine = start_engine(plan.settings.augment.engine, None, 0)
    (row, other) = asyncio.run(Study(plan.settings, plan.templates, None, engine).do_all(units[:2]))
    same = row | {"unit_id": other["unit_id"], "note_id": other["note_id"]}
    for rows in ([row], [same], [row]):
        stage_rows(store.folder, rows)
    done = generate(plan)
    assert (done.finished_before, done.tally.units) == (2, 7)
    assert living(folder) == planned(plan)
    assert [r["reason"] for r in rows_in(folder) if r["unit_id"] == other["unit_id"]] == ["duplicate"]
    assert not staged_pieces(store.folder)


def test_plan_and_status_tell_units_tokens_and_price(folder: Path) -> None:
    plan = plan_in(folder)
    ahead = printed(print_plan, plan)
    assert "3 documents, 3 chunks, 9 units" in ahead and "time: unknown before a first run" in ahead
    assert "at most 5,100 tokens, to write: at most 1,200 tokens" in ahead, ahead
    assert "price: at most 7,500.00" in ahead
    with pytest.raises(DatasetError, match="holds no run"):
        read_status(folder / "out")
    (folder / "out").mkdir()
    with FileLock(folder / "out" / ".augment.lock"):
        assert "reading documents" in printed(print_status, read_status(folder / "out"))
    outcome = generate(plan)
    assert "paraphrase │ 6" in printed(print_outcome, outcome)

    write_document(folder, "Dunsel", "a shallow bay")
    again = printed(print_plan, plan_in(folder))
    prompt, completion = (sum(row[f"{kind}_tokens"] for row in rows_in(folder)) for kind in ("prompt", "completion"))
    assert f"about {prompt / 3:,.0f} tokens, to write: about {completion / 3:,.0f} tokens" in again
    assert f"price: about {prompt / 3 + 2 * completion / 3:,.2f}" in again and "minutes at the last run's" in again

    told = printed(print_status, read_status(folder / "out"))
    assert "finished" in told and "9 of 9 done" in told and f"{completion:,} written" in told
    assert "paraphrase │ 6     │ 6          │ 0        │ 100%" in told


def test_status_tells_running_from_killed(folder: Path) -> None:
    generate(plan_in(folder))
    path = folder / "out" / "generation.json"
    numbers = json.loads(path.read_text())
    rates = {"units": 2.0, "notes": 2.0, "prompt_tokens": 30.0, "completion_tokens": 40.0}
    path.write_text(json.dumps(numbers | {"state": "running", "units": 5, "rates": rates}))
    assert "killed; run the same command again" in printed(print_status, read_status(folder / "out"))
    with FileLock(folder / "out" / ".augment.lock"):
        told = printed(print_status, read_status(folder / "out"))
    assert "running" in told and "5 of 9 done" in told and "30 read, 40 written" in told and "0.0 minutes" in told


@pytest.mark.parametrize("broken", ["{", "[]", '{"state": "running"}', "\udcff"])
def test_what_a_run_said_of_itself_may_be_broken(folder: Path, broken: str) -> None:
    (folder / "out").mkdir()
    NoteStore(folder / "out" / "notes")
    (folder / "out" / "generation.json").write_bytes(broken.encode("utf-8", "surrogateescape"))
    for show in (lambda: read_status(folder / "out"), lambda: printed(print_plan, plan_in(folder))):
        with pytest.raises(DatasetError, match=r"generation.json is broken .*; delete it"):
            show()
    (folder / "out" / "augment.yaml").write_text("{[")
    stage_rows(folder / "out" / "notes", [blank_row() | {"unit_id": "0" * 32}])
    with pytest.raises(ConfigError, match=r"augment.yaml:1 is not valid YAML .*; delete .*augment.yaml"):
        generate(plan_in(folder))


def test_asking_for_the_lock_does_not_take_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_locked(path) and not path.exists()
    path.touch()
    assert not is_locked(path)
    with path.open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert is_locked(path)
