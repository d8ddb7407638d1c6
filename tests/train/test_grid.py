"""The axes of a pipeline file make the runs, each with a name of its own and one label for all seeds."""

from typing import Any

import pytest
from pydantic import ValidationError

from augment.errors import ConfigError
from train.config import TrainFile
from train.grid import list_cells
from train.methods.options import MemoryOptions

DATA = {"passages": "p", "questions": "q", "replay_share": 0.2}


def settings(**train: Any) -> TrainFile:
    return TrainFile.model_validate(
        {"out": "o", "seed": 5, "train": {"data": DATA, **train}, "evaluate": {"facts": "f", "known": "k"}}
    )


def test_without_axes_a_method_is_one_run() -> None:
    (cell,) = list_cells(settings(methods={"lora": None, "none": {}, "full": False}))
    assert (cell.name, cell.label, cell.seed, cell.replay_share, cell.mix) == ("lora", "lora", 5, 0.2, None)


def test_axes_multiply_and_what_does_not_train_is_run_once() -> None:
    axes = {
        "objectives": ["next_token", "distill"],
        "mixes": {"verbatim": {"verbatim": 1}, "both": {"verbatim": 1, "questions": 0.5}},
        "replay_shares": [0, 0.1],
        "seeds": [0, 1],
    }
    cells = list_cells(settings(methods={"memory": {}, "retrieval": {}}, **axes))
    assert (
        len(cells) == 16 + 1 and len({cell.name for cell in cells}) == 17 and len({cell.label for cell in cells}) == 9
    )
    first = cells[0]
    assert first.name == "memory-next_token-verbatim-replay0-seed0" and first.mix == {"verbatim": 1}
    assert first.label == "memory-next_token-verbatim-replay0"


def test_a_variant_is_a_method_under_another_name() -> None:
    chosen = settings(methods={"memory": {}, "memory_all": {"kind": "memory", "ranking": "all"}})
    assert [cell.name for cell in list_cells(chosen)] == ["memory", "memory_all"]
    options = list_cells(chosen)[1].options
    assert isinstance(options, MemoryOptions) and options.ranking == "all"


def test_a_methods_own_objective_goes_before_the_axis() -> None:
    methods = {"memory": {}, "lora": {"objective": "distill"}}
    alone = list_cells(settings(methods=methods))
    assert [(cell.name, cell.objective) for cell in alone] == [("memory", "next_token"), ("lora", "distill")]
    both = list_cells(settings(methods=methods, objectives=["distill", "next_token"]))
    assert [cell.name for cell in both] == ["memory-distill", "memory-next_token", "lora"]
    assert "objective" not in alone[0].options.model_dump() and alone[1].options.model_dump()["objective"] == "distill"


@pytest.mark.parametrize(
    ("methods", "place"),
    [
        ({"lorra": {}}, "lorra"),
        ({"mine": {"kind": "lorra"}}, "mine"),
        ({"mine": {"kind": "lora", "rang": 2}}, "rang"),
        ({"../mine": {"kind": "lora"}}, "../mine"),
        ({"lora": {"kind": "memory"}}, "kind"),
    ],
)
def test_an_unknown_method_is_named(methods: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as error:
        settings(methods=methods)
    assert place in error.value.errors()[0]["loc"]


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"seeds": [1, 1]}, "a value is there twice"),
        ({"seeds": [-1]}, "greater than or equal to 0"),
        ({"replay_shares": [-0.5]}, "greater than or equal to 0"),
        ({"mixes": {"a": {"verbatim": -1}}}, "greater than or equal to 0"),
        ({"mixes": {"../a": {"verbatim": 1}}}, "should match pattern"),
        ({"mixes": {"a": {}}}, "at least 1 item"),
        ({"tasks": 2, "watch": {}}, "leave out watch, or tasks"),
        ({"epochs": 2, "watch": {"every_epochs": 3}}, "is 3 of 2 epochs"),
        ({"watch": {"at_steps": [2, 2]}}, "a value is there twice"),
        ({"watch": {"at_steps": [0]}}, "greater than 0"),
        ({"objectives": ["distill"], "data": {**DATA, "join_notes": True}}, "join_notes"),
        ({"data": {**DATA, "join_notes": True, "replay_objective": "distill"}}, "join_notes"),
        ({"methods": {"lora": {"objective": "distill"}}, "data": {**DATA, "join_notes": True}}, "join_notes"),
        ({"methods": {"lora": {"objective": "distil"}}}, "'next_token' or 'distill'"),
        ({"methods": {"memory": {"layers": [-1]}}}, "greater than or equal to 0"),
        ({"methods": {"memory": {"layers": [1, 1]}}}, "a layer is there twice"),
        ({"methods": {"base": {"kind": "lora"}}}, "none of base, background"),
    ],
)
def test_what_makes_no_grid_is_refused(train: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(**{"methods": {"lora": {}}, **train})


def test_no_method_is_an_error() -> None:
    with pytest.raises(ConfigError, match="names no method"):
        list_cells(settings(methods={}))
