"""An engine that dies takes nothing with it: its units are done by the next one, the one that kills it is given up."""

import asyncio
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from augment.attempts import Room
from augment.shards import read_rows

PIPELINE = """\
out: out
augment:
  documents: {{path: docs}}
  engine: {{kind: echo, die_on: ['"Crake" as a news report'], deaths_file: deaths, {more}}}
  strategies: {{paraphrase: {{rounds: 6}}, study_notes: {{rounds: 2}}}}
  units_per_shard: 4
"""


def write_documents(folder: Path) -> None:
    (folder / "docs").mkdir()
    for name in ("Pellick", "Crake", "Tarrow", "Dunsel", "Marrow"):
        text = f"# {name}\n\nThe town of {name} lies at the head of a shallow bay, with salt meadows to the west.\n"
        (folder / "docs" / f"{name}.md").write_text(text)


def run_augment(folder: Path, more: str) -> subprocess.CompletedProcess[str]:
    (folder / "pipeline.yaml").write_text(PIPELINE.format(more=more))
    command = [sys.executable, "-m", "augment.cli", "run", "pipeline.yaml"]
    paths = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, env=paths)


def reasons_by_unit(folder: Path) -> dict[str, tuple[str, list[str]]]:
    """Document and reasons of the rows of every unit."""
    found: dict[str, tuple[str, list[str]]] = {}
    for split in ("train", "rejected"):
        for row in read_rows(folder / "out" / "notes", split):
            found.setdefault(row["unit_id"], (row["document_id"], []))[1].append(row["reason"])
    return found


@pytest.mark.slow
def test_an_engine_that_dies_once_loses_and_doubles_nothing(tmp_path: Path) -> None:
    write_documents(tmp_path)
    done = run_augment(tmp_path, "max_deaths: 1")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "deaths").read_text() == "died\n"
    units = reasons_by_unit(tmp_path)
    assert Counter(document for document, _ in units.values()) == dict.fromkeys(
        ("Pellick.md", "Crake.md", "Tarrow.md", "Dunsel.md", "Marrow.md"), 8
    )
    rows = [r for s in ("train", "rejected") for r in read_rows(tmp_path / "out" / "notes", s)]
    assert len({r["note_id"] for r in rows}) == len(rows)
    assert "failed" not in {reason for _, reasons in units.values() for reason in reasons}
    assert not list((tmp_path / "out" / "notes" / ".staging").glob("attempt-*"))


@pytest.mark.slow
def test_a_unit_that_kills_every_engine_is_rejected_and_the_others_are_done(tmp_path: Path) -> None:
    write_documents(tmp_path)
    done = run_augment(tmp_path, "max_restarts: 9")
    assert done.returncode == 0, done.stderr
    units = reasons_by_unit(tmp_path)
    assert len(units) == 40
    failed = [r for r in read_rows(tmp_path / "out" / "notes", "rejected") if r["reason"] == "failed"]
    text = "the engine died three times on this unit, the last time alone"
    assert [(r["document_id"], r["round"], r["text"]) for r in failed] == [("Crake.md", 5, text)]
    assert (tmp_path / "deaths").read_text().count("died") == 3


@pytest.mark.slow
def test_an_engine_that_dies_too_often_is_one_line_and_what_is_done_stays(tmp_path: Path) -> None:
    write_documents(tmp_path)
    done = run_augment(tmp_path, "max_restarts: 1")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: the generation engine died 2 times; "), done.stderr
    assert "finished units are kept" in done.stderr.splitlines()[-1]
    again = run_augment(tmp_path, "max_deaths: 0")
    assert again.returncode == 0 and len(reasons_by_unit(tmp_path)) == 40


@pytest.mark.parametrize("num_loners", [1, 3])
def test_who_wants_to_be_alone_is_alone_and_all_get_in(num_loners: int) -> None:
    inside: list[str] = []
    seen: list[list[str]] = []

    async def enter(room: Room, name: str) -> None:
        async with room.alone() if name == "loner" else room.shared():
            inside.append(name)
            await asyncio.sleep(0.001)
            seen.append(list(inside))
            inside.remove(name)

    async def enter_all() -> None:
        room = Room()
        names = ["guest"] * 5 + ["loner"] * num_loners + ["guest"] * 5
        await asyncio.gather(*(enter(room, name) for name in names))

    asyncio.run(enter_all())
    assert len(seen) == 10 + num_loners and ["guest"] * 5 in seen
    assert all(who == ["loner"] for who in seen if "loner" in who)
