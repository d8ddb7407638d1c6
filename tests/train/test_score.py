"""Exact match and F1 are those of the official SQuAD v1.1 script, on odd texts too."""

import re
import string
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train.evaluate.score import exact_match, normalise, opening_words, states, token_f1


def official_words(text: str) -> list[str]:
    """`normalize_answer` of the script in its own order of steps: lower, punctuation, articles, white space."""
    kept = "".join(sign for sign in text.lower() if sign not in set(string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", kept).split()


def official_scores(answer: str, expected: list[str]) -> tuple[bool, float]:
    """`metric_max_over_ground_truths` of `exact_match_score` and of `f1_score`."""
    ours, scores = official_words(answer), list[float]()
    for theirs in map(official_words, expected):
        same = sum((Counter(ours) & Counter(theirs)).values())
        precision, recall = same / max(1, len(ours)), same / max(1, len(theirs))
        scores.append(2 * precision * recall / (precision + recall) if same else 0.0)
    return any(ours == official_words(e) for e in expected), max(scores)


@pytest.mark.parametrize(
    ("answer", "expected", "match", "f1"),
    [
        ("The Eiffel Tower!", ["eiffel tower"], True, 1.0),
        ("a  big\tbridge", ["Big bridge"], True, 1.0),
        ("green glass", ["glass"], False, 2 / 3),
        ("H2O", ["water", "H2O"], True, 1.0),
        # Aliases: the best of all.
        ("Anka Stroud", ["the widow Stroud", "Stroud", "Anka Stroud the widow"], False, 4 / 5),
        # Empty answers, and answers of which normalisation leaves nothing: equal, yet without a common word.
        ("", ["glass"], False, 0.0),
        ("", [""], True, 0.0),
        ("The.", ["an"], True, 0.0),
        ("!?", ["glass"], False, 0.0),
        # Articles: whole words only, also between other words, and what punctuation's going makes one.
        ("theatre", ["atre"], False, 0.0),
        ("Alexander the Great", ["Alexander Great"], True, 1.0),
        ("vitamin A", ["vitamin"], True, 1.0),
        ("A.N. Other", ["other"], True, 1.0),
        ("rock-a-bye", ["rockabye"], True, 1.0),
        # Punctuation goes without leaving a space.
        ("well-known", ["well known"], False, 0.0),
        ("U.S.A.", ["usa"], True, 1.0),
        ("AC/DC", ["ac dc"], False, 0.0),
        ("snake_case", ["snakecase"], True, 1.0),
        # Numbers are words; a decimal point is punctuation, a number's name is another word.
        ("1,742", ["1742"], True, 1.0),
        ("3.5", ["35"], True, 1.0),
        ("$5", ["5"], True, 1.0),
        ("9", ["nine"], False, 0.0),
        ("5 km", ["5km"], False, 0.0),
        # Unicode: only ASCII punctuation goes, accents stay, composed and decomposed differ, odd spaces are spaces.
        ("don’t", ["don't"], False, 0.0),
        ("“Hamlet”", ["Hamlet"], False, 0.0),
        ("São Tomé", ["Sao Tome"], False, 0.0),
        ("Zürich", ["Zu\u0308rich"], False, 0.0),
        ("ZÜRICH", ["zürich"], True, 1.0),
        ("STRASSE", ["straße"], False, 0.0),
        ("New\u00a0York", ["new york"], True, 1.0),
        ("東京", ["東京"], True, 1.0),
        ("naïve the Café", ["naïve café"], True, 1.0),
        # Repeated words count as often as both have them.
        ("New York New York", ["New York"], False, 2 / 3),
        ("bells bells bells", ["bells bells"], False, 4 / 5),
    ],
)
def test_scores(answer: str, expected: list[str], match: bool, f1: float) -> None:
    assert official_scores(answer, expected) == (match, pytest.approx(f1))
    assert exact_match(answer, expected) is match
    assert token_f1(answer, expected) == pytest.approx(f1)


TEXT = st.lists(st.sampled_from([*"aA.,'-_ \t\u00a0’éß9", "the ", " an ", "bells ", "İ", "e\u0301"])).map("".join)


@given(TEXT, st.lists(TEXT, min_size=1, max_size=3))
def test_any_text_scores_as_by_the_script(answer: str, expected: list[str]) -> None:
    match, f1 = official_scores(answer, expected)
    assert exact_match(answer, expected) is match
    assert token_f1(answer, expected) == pytest.approx(f1)


@settings(deadline=None)  # the first text waits for the import
@given(TEXT, TEXT)
def test_any_text_scores_as_by_the_official_code_in_transformers(answer: str, expected: str) -> None:
    """transformers carries the script of SQuAD 2.0: the same, but for F1 of a text of which nothing is left."""
    from transformers.data.metrics import squad_metrics as metrics

    assert exact_match(answer, [expected]) == bool(metrics.compute_exact(expected, answer))
    if normalise(answer) and normalise(expected):
        assert token_f1(answer, [expected]) == pytest.approx(metrics.compute_f1(expected, answer))


def test_a_cue_is_scored_by_its_opening_words() -> None:
    assert opening_words("green glass, and it shone", ["green glass"]) == "green glass,"
    assert opening_words("nine bells rang", ["9 bells", "nine bells"]) == "nine bells"
    assert opening_words("red brick walls", ["green glass"]) == "red brick"


@pytest.mark.parametrize(
    ("text", "expected", "found"),
    [
        ("It crosses the Sullen Cut, a strait.", ["the Sullen Cut"], True),
        ("It crosses sullen, cut cliffs.", ["Sullen Cut"], True),
        ("Nineteen bells.", ["nine"], False),
        ("Nineteen bells.", ["9", "nineteen"], True),
        ("Anything.", ["the"], False),
    ],
)
def test_a_text_states_an_answer_when_it_has_its_words(text: str, expected: list[str], found: bool) -> None:
    assert states(text, expected) is found
