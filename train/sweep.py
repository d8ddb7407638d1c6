"""Trains each method at several learning rates and chooses one for each: `train run FILE --sweep`.

    OUT/sweep/NAME-lrRATE/    a run as those of OUT/train, with its evaluation
    OUT/sweep/sweep.json      all figures, and the chosen rates

The rule is matched learning: of the rates whose held-out recall is at least 95 % of the method's best, the one that
keeps most of the known set; among equals the lower perplexity, then the lower rate. Where no rate learned anything
none is chosen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal

from augment.errors import ConfigError, DivergedError
from augment.json_file import write_json
from train.config import TrainFile
from train.evaluate.base import RECORD, known_set
from train.evaluation import evaluate_cells
from train.grid import BASE, Cell
from train.methods.options import Methods, TrainedOptions
from train.report.read import read_run
from train.report.results import RunResult
from train.stage import Say, Stage
from train.training import begin, train_cell

MATCHED = 0.95  # of the best recall: as much counts as having learned the same
HEADER = ("method", "lr", "held-out recall", "known kept", "perplexity", "seconds")


@dataclass(frozen=True, slots=True)
class Trial:
    """A method after training at one rate: shares of questions, change of perplexity (0.05: 5 % more), seconds."""

    method: str
    lr: float
    recall: float
    num_questions: int
    kept: float
    num_known: int
    perplexity_change: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Failure:
    """A rate at which the loss was no number any more."""

    method: str
    lr: float
    reason: str


def sweep_rates(stage: Stage, say: Say) -> None:
    """Train, evaluate and compare all rates; finished runs are kept. Raises ConfigError when no method has a rate."""
    swept = Stage(sweep_settings(stage.settings), stage.base, "sweep")
    begin(swept)
    known_set(swept, say)  # before hours of training: a base that knows nothing is an error
    failures = train_rates(swept, say)
    cells = [cell for cell in swept.cells if cell.name not in failures]
    evaluate_cells(swept, cells, say)
    base = read_run(swept.runs / BASE / RECORD)
    trials = [make_trial(cell, read_run(swept.folder(cell) / RECORD), base) for cell in cells]
    chosen = choose_rates(trials, [name for name, _ in map(method_and_rate, swept.cells)])
    write_json(describe_sweep(swept, trials, list(failures.values()), chosen), swept.runs / "sweep.json")
    say(render_sweep(trials, list(failures.values()), chosen))


def sweep_settings(settings: TrainFile) -> TrainFile:
    """The file with a variant for each method and rate, and the first of each axis alone.

    Raises ConfigError when no method of the file has a learning rate.
    """
    train = settings.train
    methods = {
        f"{name}-lr{write_rate(rate)}": options.model_copy(update={"lr": rate})
        for name, options in train.methods.chosen().items()
        if isinstance(options, TrainedOptions)
        for rate in [round_rate(options.lr * factor) for factor in train.sweep]
    }
    if not methods:
        raise ConfigError("no method of train.methods has a learning rate to sweep", "add memory: {} or lora: {}")
    axes = {
        "objectives": train.objectives[:1],
        "mixes": dict(list(train.mixes.items())[:1]),
        "replay_shares": train.replay_shares[:1],
        "seeds": train.seeds[:1],
    }
    changed = train.model_copy(update=axes | {"methods": Methods.model_construct(None, **methods)})
    return settings.model_copy(update={"train": changed})


def round_rate(rate: float) -> float:
    """The rate to six digits, so that its name says all of it."""
    return float(f"{rate:.6g}")


def write_rate(rate: float) -> str:
    """The rate without an exponent."""
    text = f"{Decimal(repr(rate)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def method_and_rate(cell: Cell) -> tuple[str, float]:
    """What a run of the sweep tries."""
    assert isinstance(cell.options, TrainedOptions)
    return cell.name.rpartition("-lr")[0], cell.options.lr


def train_rates(stage: Stage, say: Say) -> dict[str, Failure]:
    """Train all rates; those that failed, by run: a rate may well be too high."""
    failures = {}
    for cell in stage.cells:
        try:
            train_cell(stage, cell, say)
        except DivergedError as error:
            failures[cell.name] = Failure(*method_and_rate(cell), error.what)
            say(f"{cell.name}: {error.what}")
    return failures


def make_trial(cell: Cell, run: RunResult, base: RunResult) -> Trial:
    """The figures of an evaluated run that the choice is made by."""
    recall, kept = run.learning["held_out"], run.retention
    change = run.general.perplexity / base.general.perplexity - 1
    return Trial(*method_and_rate(cell), recall.em, recall.n, kept.kept, kept.num_known, change, run.train_sec)


def choose_rates(trials: Sequence[Trial], methods: Sequence[str]) -> dict[str, float | None]:
    """The chosen rate of each method, None where no rate learned anything."""
    return {name: choose_rate([trial for trial in trials if trial.method == name]) for name in dict.fromkeys(methods)}


def choose_rate(trials: Sequence[Trial]) -> float | None:
    """The rate of a method that keeps most among those that learned as much as the best one."""
    best = max((trial.recall for trial in trials), default=0.0)
    if not best:
        return None
    matched = [trial for trial in trials if trial.recall >= MATCHED * best - 1e-9]
    return min(matched, key=lambda trial: (-trial.kept, trial.perplexity_change, trial.lr)).lr


def describe_sweep(
    stage: Stage, trials: Sequence[Trial], failures: Sequence[Failure], chosen: Mapping[str, float | None]
) -> dict[str, object]:
    """The record of a sweep: what was trained on and for, each rate's figures, what failed and why, the choice."""
    return {
        **stage.cells[0].as_json(),
        "objective": {method_and_rate(cell)[0]: cell.objective for cell in stage.cells},
        "factors": stage.settings.train.sweep,
        "matched": MATCHED,
        "rows": [asdict(trial) for trial in trials],
        "failed": [asdict(failure) for failure in failures],
        "chosen": dict(chosen),
    }


def render_sweep(trials: Sequence[Trial], failures: Sequence[Failure], chosen: Mapping[str, float | None]) -> str:
    """A table of all rates, the chosen ones marked, and what to write to use them."""
    rows = [HEADER, *(table_row(trial, chosen[trial.method] == trial.lr) for trial in trials)]
    rows += [(failure.method, write_rate(failure.lr), "diverged", "", "", "") for failure in failures]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    nothing = [name for name, rate in chosen.items() if rate is None]
    lines += [f"{name}: no rate learned anything, none is chosen; try others in train.sweep" for name in nothing]
    used = [f"--set train.methods.{name}.lr={write_rate(rate)}" for name, rate in chosen.items() if rate is not None]
    return "\n".join([*lines, *(["chosen (*): " + " ".join(used)] if used else [])])


def table_row(trial: Trial, is_chosen: bool) -> tuple[str, ...]:
    """A trial as the cells of the table."""
    return (
        trial.method,
        write_rate(trial.lr) + "*" * is_chosen,
        f"{trial.recall:.1%} of {trial.num_questions}",
        f"{trial.kept:.1%} of {trial.num_known}",
        f"{trial.perplexity_change:+.1%}",
        f"{trial.seconds:.0f}",
    )
