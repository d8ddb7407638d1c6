"""Exact match and F1 follow the SQuAD script."""

import pytest

from train.evaluate.score import exact_match, opening_words, token_f1


@pytest.mark.parametrize(
    ("answer", "expected", "match", "f1"),
    [
        ("The Eiffel Tower!", ["eiffel tower"], True, 1.0),
        ("a  big\tbridge", ["Big bridge"], True, 1.0),
        ("green glass", ["glass"], False, 2 / 3),
        ("", ["glass"], False, 0.0),
        ("1,742", ["1742"], True, 1.0),
        ("H2O", ["water", "H2O"], True, 1.0),
    ],
)
def test_scores(answer: str, expected: list[str], match: bool, f1: float) -> None:
    assert exact_match(answer, expected) is match
    assert token_f1(answer, expected) == pytest.approx(f1)


def test_a_cue_is_scored_by_its_opening_words() -> None:
    assert opening_words("green glass, and it shone", ["green glass"]) == "green glass,"
    assert opening_words("nine bells rang", ["9 bells", "nine bells"]) == "nine bells"
    assert opening_words("red brick walls", ["green glass"]) == "red brick"
