"""The stages `train evaluate` and `train report`: every run asked, all of them compared."""

from collections.abc import Sequence
from pathlib import Path

from augment.shards import count_rows, read_rows
from train.checkpoint import Run, load_run, read_run
from train.evaluate.base import RECORD, known_set, stale, write_evaluation
from train.evaluate.context import context_of
from train.evaluate.coverage import gather_material
from train.evaluate.judge import judge_runs
from train.evaluate.probes import read_probes
from train.grid import BASE, Cell
from train.out_of_memory import naming_what_to_lower
from train.report import NoteCounts, headline_table, read_runs, write_report
from train.stage import Say, Stage


def evaluate_all(stage: Stage, say: Say) -> None:
    """Evaluate the base model and every run of this file; each writes its `evaluation.json`."""
    for cell in stage.cells:
        if cell.trains:
            read_run(stage.folder(cell))
    evaluate_cells(stage, stage.cells, say)
    judge_runs(stage, say)


def evaluate_cells(stage: Stage, cells: Sequence[Cell], say: Say) -> None:
    """Evaluate the base model and these runs; evaluations of the same questions and text are kept."""
    known = known_set(stage, say)
    for cell in cells:
        path = stage.folder(cell) / RECORD
        if stale(path, stage):
            say(f"{cell.name}: evaluating")
            with naming_what_to_lower(f"while {cell.name} was evaluated", "lower evaluate.batch_size"):
                evaluate_cell(stage, cell, path, known)


def evaluate_cell(stage: Stage, cell: Cell, path: Path, known: set[str]) -> None:
    """Ask one run: what it learned, or the base model with what it is given to read."""
    if cell.trains:
        loaded, run = load_run(stage.folder(cell))
        write_evaluation(stage, loaded, run, path, known)
        return
    loaded = stage.reference
    options = cell.options.model_dump(mode="json")
    run = Run(cell.name, cell.label, cell.seed, stage.settings.model, loaded.folder.revision, options, 0, 0.0, 0, 0.0)
    find_context = context_of(cell.options, lambda: stage.passages, loaded.tokenizer, cell.seed)
    write_evaluation(stage, loaded, run, path, known, find_context)


def report_all(stage: Stage, say: Say) -> Path:
    """Write the report of all runs, print its headline table, return the HTML's path."""
    wanted = {BASE, *(cell.name for cell in stage.cells)}
    runs = [run for run in read_runs(stage.runs) if run.run in wanted]
    for name in sorted(wanted - {run.run for run in runs}):
        say(f"{name}: not evaluated, left out; `train evaluate` asks it")
    kept = list(read_rows(stage.notes, "train", ["strategy", "completion_tokens", "model"]))
    counts = NoteCounts(
        kept=len(kept),
        rejected_by_reason=count_rows(read_rows(stage.notes, "rejected", ["reason"]), "reason"),
        kept_by_strategy=count_rows(kept, "strategy"),
        generator=next((row["model"] for row in kept if row["model"]), "echo"),
        tokens=sum(row["completion_tokens"] for row in kept),
    )
    material = gather_material(stage, read_probes(stage.settings.evaluate, stage.base, stage.trained_documents()))
    paths = write_report(runs, Path(stage.settings.out) / "report", Path(stage.settings.out).name, counts, material)
    say(headline_table(runs))
    say(f"report: {paths.html.resolve()}")
    return paths.html
