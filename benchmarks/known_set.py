"""Turns general questions into the time that it takes to ask them all, and how many the base model knows.

    .venv/bin/python benchmarks/known_set.py [--data nq_open_dev.jsonl] [--model smollm2-135m] [--questions 500]

Without --data, the general questions that ship. The last line printed is one JSON object; `seconds` is from the first
prompt to the last answer, without loading the model (`load_sec`).
"""

import argparse
import json
import time
from pathlib import Path

import torch

from augment.json_file import write_json
from augment.models import EMBEDDED
from train.config import Evaluate
from train.evaluate.probes import Probe, ask_probes
from train.evaluate.questions import read_known
from train.evaluate.writer import NetworkWriter
from train.model import load_model

ROOT = Path(__file__).parent.parent
SHIPPED = [ROOT / "pipelines" / "general" / name for name in ("known.jsonl", "background.jsonl")]
RESULTS = ROOT / "docs" / "results" / "known_set.json"


def read_probes(paths: list[Path], number: int) -> list[Probe]:
    """The first so many questions of these files."""
    rows = [row for path in paths for row in read_known(str(path), Path())]
    return [Probe(row["id"], "", "known", row["question"], row["answers"]) for row in rows[:number]]


def main() -> None:
    """Load, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="*", default=SHIPPED)
    parser.add_argument("--model", default=EMBEDDED)
    parser.add_argument("--questions", type=int, default=500)
    arguments = parser.parse_args()
    probes, options = read_probes(arguments.data, arguments.questions), Evaluate(facts="", known="")
    start = time.perf_counter()
    loaded = load_model(arguments.model)
    load_sec = time.perf_counter() - start
    start = time.perf_counter()
    answers = ask_probes(NetworkWriter(loaded, options.batch_size), probes, options)
    seconds = time.perf_counter() - start
    figures = {
        "seconds": round(seconds, 1),
        "num_questions": len(probes),
        "num_known": sum(answer["em"] for answer in answers),
        "load_sec": round(load_sec, 1),
        "threads": torch.get_num_threads(),
        "model": arguments.model,
    }
    write_json(figures, RESULTS)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
