"""A generated corpus to notes with the echo engine: notes per second, memory, and the time to find nothing to do.

`python benchmarks/units.py` plans a million units (`--units`) over documents of two chunks, twenty units each: all
strategies that ask once, through every filter, into shards. Each step runs as the command line does, in a process
tree of its own that is measured from outside:
1. a tenth of the units in a folder of its own: its peak memory is what the whole run's is compared to;
2. all units;
3. the same command again: reads the documents and the million ids, plans all, finds nothing to do;
4. the same with one more document: reads the kept notes' keys too, starts the engine, does 40 units.
Wall times are of the whole command, from the start of Python to its end; `cpu_sec` is what the tree used.
Memory is the sum over the tree of what each process has for itself and its share of what it shares (PSS), sampled
every two seconds. The last line printed is one JSON object, the whole table goes to docs/results/units.json.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parent.parent
CHUNKS_PER_DOCUMENT, UNITS_PER_CHUNK = 2, 20
WORDS_PER_CHUNK = 60
FILES_PER_FOLDER = 1000
SAMPLE_EVERY_SEC = 2.0
PIPELINE = """\
out: {out}
augment:
  documents: {{path: documents}}
  chunks: {{max_tokens: 100}}
  engine: {{kind: echo, actors: {actors}}}
  strategies: {{paraphrase: {{rounds: 19}}, verbatim: {{}}}}
"""
SYLLABLES = "ba de fi go lu mar nel or pi ras sen tol un vek wor yst zan".split()


def make_word(draw: random.Random) -> str:
    """An invented word."""
    return "".join(draw.choices(SYLLABLES, k=draw.randint(1, 4)))


def write_documents(folder: Path, first: int, count: int) -> None:
    """Documents of two sections; every one has a name of its own and other words."""
    for number in range(first, first + count):
        draw = random.Random(number)
        path = folder / f"{number // FILES_PER_FOLDER:05d}" / f"{number:08d}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        sections = [f"## Part {s}\n\n{make_text(draw)}\n" for s in range(CHUNKS_PER_DOCUMENT)]
        path.write_text(f"# Place {number}\n\n" + "\n".join(sections))


def make_text(draw: random.Random) -> str:
    """Sentences of ten words."""
    sentences = (" ".join(make_word(draw) for _ in range(10)).capitalize() for _ in range(WORDS_PER_CHUNK // 10))
    return ". ".join(sentences) + "."


def measure_run(folder: Path, actors: int) -> dict[str, Any]:
    """Run the pipeline in `folder` to its end; wall time, the tree's memory over time, and what the run wrote."""
    (folder / "pipeline.yaml").write_text(PIPELINE.format(out="out", actors=actors))
    command = [sys.executable, "-m", "augment.cli", "run", "pipeline.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started, samples, used = time.monotonic(), [], dict[int, tuple[str, float]]()
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            samples.append(tree_memory(process.pid, used))
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(SAMPLE_EVERY_SEC)
        assert process.stdout is not None
        said = process.stdout.read()
    assert process.returncode == 0, said
    told = json.loads((folder / "out" / "generation.json").read_text())
    cpu_sec = sum(sec for _, sec in used.values())
    shards = len(list((folder / "out" / "notes" / "train").glob("*.arrow")))
    told |= {"num_shards": shards}
    told |= {"wall_sec": time.monotonic() - started, "cpu_sec": cpu_sec, "memory": summarise_memory(samples)}
    told["cpu_sec_by_process"] = [(name, sec) for name, sec in used.values() if sec > cpu_sec / 100]
    print(json.dumps(told), flush=True)
    return dict(told)


def tree_memory(pid: int, used: dict[int, tuple[str, float]]) -> dict[str, int]:
    """Bytes of the tree: `rss` counts shared pages in each process, `pss` shares them out.

    `used` learns the seconds of processor time of each process so far, with its name.
    """
    total = {"rss": 0, "pss": 0}
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return total
    for process in family:
        try:
            memory, times, name = process.memory_full_info(), process.cpu_times(), process.name()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        used[process.pid] = ("driver" if process.pid == pid else name, times.user + times.system)
        total["rss"] += memory.rss
        total["pss"] += memory.pss
    return total


def summarise_memory(samples: list[dict[str, int]]) -> dict[str, int]:
    """The peak of each sum."""
    return {name: max(sample[name] for sample in samples) for name in samples[0]}


def count_notes(told: dict[str, Any]) -> int:
    """Notes that a run wrote, kept or not."""
    return int(told["kept"] + told["rejected"])


def measure_all(folder: Path, num_units: int, actors: int) -> dict[str, Any]:
    """The four steps, in `folder`."""
    per_document = CHUNKS_PER_DOCUMENT * UNITS_PER_CHUNK
    small, whole = folder / "small", folder / "whole"
    write_documents(small / "documents", 0, num_units // 10 // per_document)
    write_documents(whole / "documents", 0, num_units // per_document)
    first = measure_run(small, actors)
    second = measure_run(whole, actors)
    third = measure_run(whole, actors)
    write_documents(whole / "documents", num_units // per_document, 1)
    return {"tenth": first, "whole": second, "nothing": third, "one_more": measure_run(whole, actors)}


def report(runs: dict[str, Any], num_units: int, actors: int) -> Iterator[tuple[str, Any]]:
    """The figures."""
    whole, one_more = runs["whole"], runs["one_more"]
    assert whole["units"] == num_units == runs["nothing"]["units"] == one_more["finished_before"]
    yield "notes_per_sec", round(count_notes(whole) / whole["wall_sec"], 1)
    yield "rss_growth_100k_to_1m", round(whole["memory"]["rss"] / runs["tenth"]["memory"]["rss"] - 1, 4)
    yield "pss_growth_100k_to_1m", round(whole["memory"]["pss"] / runs["tenth"]["memory"]["pss"] - 1, 4)
    yield "resume_scan_sec", round(runs["nothing"]["wall_sec"], 1)
    yield "resume_scan_cpu_sec", round(runs["nothing"]["cpu_sec"], 1)
    yield "resume_with_new_document_sec", round(one_more["wall_sec"], 1)
    yield "num_units", num_units
    yield "cpu_sec_per_1000_notes", round(whole["cpu_sec"] / count_notes(whole) * 1000, 3)
    yield "num_notes", count_notes(whole)
    yield "kept_share", round(whole["kept"] / count_notes(whole), 3)
    yield "actors", actors
    yield "load_average", round(os.getloadavg()[2], 1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--units", type=int, default=1_000_000)
    parser.add_argument("--actors", type=int, default=2)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="units-"))
    try:
        runs = measure_all(folder, arguments.units, arguments.actors)
    finally:
        shutil.rmtree(folder)
    figures = dict(report(runs, arguments.units, arguments.actors))
    results = ROOT / "docs" / "results" / "units.json"
    results.write_text(json.dumps(figures | {"runs": runs}, indent=2) + "\n")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
