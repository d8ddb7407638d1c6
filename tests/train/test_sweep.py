"""The sweep trains each rate once beside the file's own runs, and chooses by matched learning."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from augment.settings import load_settings
from tests.worlds import invoke, write_world
from train.cli import app
from train.config import TrainFile
from train.grid import list_cells
from train.sweep import Failure, Trial, choose_rate, choose_rates, render_sweep, sweep_settings, write_rate


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    return write_world(tmp_path_factory.mktemp("sweep"), tiny_model)


def trial(lr: float, recall: float, kept: float, change: float = 0.0, method: str = "lora") -> Trial:
    return Trial(method, lr, recall, 100, kept, 50, change, 3.0)


@pytest.mark.parametrize(
    ("trials", "chosen"),
    [
        ([trial(1, 0.8, 0.9), trial(2, 0.95, 0.7), trial(4, 1.0, 0.2)], 2),  # the first learned too little
        ([trial(1, 0.95, 0.9), trial(2, 1.0, 0.9)], 1),
        ([trial(1, 0.2, 0.9, 0.3), trial(2, 0.19, 0.9, 0.1)], 2),  # 0.19 is 95 % of 0.2
        ([trial(4, 1.0, 0.9, 0.1), trial(2, 1.0, 0.9, 0.1)], 2),
        ([trial(1, 0.0, 1.0), trial(2, 0.0, 1.0)], None),
        ([], None),
    ],
)
def test_of_the_rates_that_learned_the_same_the_one_that_keeps_most_is_chosen(
    trials: list[Trial], chosen: float | None
) -> None:
    assert choose_rate(trials) == chosen


def test_the_table_marks_the_choice_and_says_how_to_use_it() -> None:
    trials = [trial(0.0005, 0.5, 0.9, 0.02), trial(0.001, 0.5, 0.8), trial(1, 0, 1, method="memory")]
    text = render_sweep(trials, [Failure("lora", 4, "the loss is nan")], choose_rates(trials, ["lora", "memory"]))
    rows = [line.split() for line in text.splitlines()]
    assert rows[1] == ["lora", "0.0005*", "50.0%", "of", "100", "90.0%", "of", "50", "+2.0%", "3"]
    assert rows[2][:2] == ["lora", "0.001"] and rows[4] == ["lora", "4", "diverged"]
    assert "memory: no rate learned anything, none is chosen; try others in train.sweep" in text
    assert text.splitlines()[-1] == "chosen (*): --set train.methods.lora.lr=0.0005"


def test_rates_are_the_methods_own_times_the_factors_with_the_first_of_each_axis(world: Path) -> None:
    axes = ["train.seeds=[7, 8]", "train.replay_shares=[0.2, 0]", "train.mixes={a: {verbatim: 1}, b: {verbatim: 2}}"]
    cells = list_cells(sweep_settings(load_settings(world, [*axes, "train.methods.full={lr: 2.0e-05}"], TrainFile)))
    names = [f"lora-lr{rate}" for rate in ("0.000125", "0.00025", "0.0005", "0.001", "0.002")]
    assert [cell.name for cell in cells if cell.name.startswith("lora")] == names
    assert next(cell.name for cell in cells if cell.name.startswith("full")) == "full-lr0.000005"
    assert len(cells) == 5 * 5  # memory, lora, full, prefix and a variant; what does not train is left out
    assert {(cell.seed, cell.replay_share, cell.objective) for cell in cells} == {(7, 0.2, "next_token")}
    assert all(cell.mix == {"verbatim": 1} for cell in cells)


def test_a_rate_is_written_without_an_exponent() -> None:
    assert [write_rate(rate) for rate in (5e-5, 1.0, 0.25, 100.0, 1e30)] == ["0.00005", "1", "0.25", "100", f"{10**30}"]


def test_every_rate_is_trained_and_evaluated_once_and_one_that_diverges_is_a_row(world: Path, knowing: None) -> None:
    chosen = ["--set", "train.methods={lora: {rank: 2, objective: distill}, retrieval: {}}"]
    chosen += ["--set", "train.sweep=[1, 2, 1.0e+30]"]
    said = invoke("run", world, "--sweep", *chosen, "--set", "train.seeds=[3, 4]")
    folder = world.parent / "out" / "sweep"
    record = json.loads((folder / "sweep.json").read_text())
    assert [(row["method"], row["lr"]) for row in record["rows"]] == [("lora", 0.0005), ("lora", 0.001)]
    assert record["failed"][0]["lr"] == 5e26 and "the loss is" in record["failed"][0]["reason"]
    assert record["chosen"] == {"lora": None} and record["seed"] == 3
    assert record["objective"] == {"lora": "distill"} and "lora: no rate learned anything" in said
    evaluation = json.loads((folder / "lora-lr0.001" / "evaluation.json").read_text())
    assert record["rows"][1]["recall"] == evaluation["learning"]["held_out"]["em"] == 0
    assert record["rows"][1]["num_questions"] == 2 and record["rows"][1]["num_known"] == 3
    base = json.loads((folder / "base" / "evaluation.json").read_text())
    change = evaluation["general"]["perplexity"] / base["general"]["perplexity"] - 1
    assert record["rows"][1]["perplexity_change"] == pytest.approx(change)
    assert not (world.parent / "out" / "train").exists()
    again = invoke("run", world, "--sweep", *chosen, "--set", "train.seeds=[3, 4]")
    assert again.count("trained before, kept") == 2 and "evaluating" not in again
    assert json.loads((folder / "sweep.json").read_text()) == record


def test_a_file_whose_methods_have_no_rate_is_one_line(world: Path) -> None:
    done = CliRunner().invoke(app, ["run", str(world), "--sweep", "--set", "train.methods={retrieval: {}}"])
    assert done.exit_code == 2 and "no method of train.methods has a learning rate" in done.stderr
    assert done.stderr.count("\n") == 1
    done = CliRunner().invoke(app, ["run", str(world), "--sweep", "--set", "train.sweep=[0]"])
    assert done.exit_code == 2 and "train.sweep" in done.stderr
