"""A bar where there is a terminal, lines where there is none."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from train.progress import shown_steps, step_printer


def test_the_bar_shows_loss_speed_and_held_out_recall(tmp_path: Path) -> None:
    screen, said = io.StringIO(), list[str]()
    console = Console(file=screen, force_terminal=True, width=140, color_system=None)
    with shown_steps("lora", tmp_path, said.append, console) as show:
        show(3, 10, 2.5, 800.0)
        (tmp_path / "curve.jsonl").write_text(json.dumps({"step": 4, "recall": {"held_out": 0.25}}) + "\n")
        show(5, 10, 1.25, 812.3)
        show(1, 20, 0.5, 700.0)  # the next group of a stream
    drawn = screen.getvalue()
    assert "lora" in drawn and "1/20" in drawn and "loss 0.500  700 tokens/s  recall 25.0%" in drawn
    assert not said


def test_without_a_terminal_there_is_a_line_now_and_then(tmp_path: Path) -> None:
    said = list[str]()
    with shown_steps("lora", tmp_path, said.append, Console(file=io.StringIO())) as show:
        show(1, 10, 2.5, 800.0)
    assert not said
    show = step_printer("lora", said.append, every_sec=0.0)
    show(1, 10, 2.5, 800.0)
    assert len(said) == 1 and said[0].startswith("lora: step 1 of 10, loss 2.500, 800 tokens/s, ")


def test_the_bar_goes_when_the_run_ends_with_an_error(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), force_terminal=True)
    with pytest.raises(KeyError), shown_steps("lora", tmp_path, print, console) as show:
        show(1, 10, 2.5, 800.0)
        raise KeyError
    with shown_steps("lora", tmp_path, print, console):  # a second one may begin: the first is gone
        pass
