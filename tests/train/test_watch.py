"""A watched point says what its figures are made of, so that the report can draw it anew."""

import json
from pathlib import Path

from train.evaluate.watch import list_parts
from train.report.read import read_curve
from train.report.results import Parts


def test_the_parts_of_a_point_are_its_answers_in_the_order_of_asking(tmp_path: Path) -> None:
    kinds = [("cue", True), ("held_out", True), ("held_out", False), ("known", False), ("known", True)]
    figures = {
        "answers": [{"kind": kind, "em": right} for kind, right in kinds],
        "general": {"texts": [{"nll": 1.5, "num_tokens": 3}, {"nll": 2.5, "num_tokens": 4}]},
    }
    point = {"step": 7, "recall": {"held_out": 0.5}, "kept": 1.0, "nll": 0.6, "parts": list_parts(figures)}
    (tmp_path / "curve.jsonl").write_text(json.dumps(point) + "\n")
    (found,) = read_curve(tmp_path / "curve.jsonl", None)
    assert found.parts == Parts((1, 0), (0, 1), (1.5, 2.5))
