"""Each filter objects to an example that has its fault and to none that has not."""

import pytest

from augment.filters.base import Filters
from augment.filters.boilerplate import strip_opener
from augment.filters.duplicate import duplicate_key
from augment.filters.registry import RULES, find_reason
from augment.filters.support import unsupported
from augment.records import Chunk, Note, Reply

TEXT = "Pellick is the only town on the island of Ossel and the third largest settlement in the isles."
CHUNK = Chunk("a.md", "Pellick", "a.md", 0, len(TEXT), TEXT)
GOOD = "Ossel has a single town, called Pellick, which two larger settlements exceed."


def reason(text: str, finish: str = "stop", problem: str = "", exempt: frozenset[str] = frozenset()) -> str:
    return find_reason(Note(text, Reply(text, finish, 1, 1), problem=problem), CHUNK, Filters(), exempt)


EXAMPLES = [
    ("truncated", GOOD, "length"),
    ("refusal", "I'm sorry, but I can't help with that request.", "stop"),
    ("refusal", "As an AI language model, I have no opinion on Pellick.", "stop"),
    ("boilerplate", "Sure thing, Pellick is a town on Ossel.", "stop"),
    ("too_short", "Pellick.", "stop"),
    ("copy", TEXT.lower(), "stop"),
    ("unsupported", "The town of Pellick was founded by Bram Hollet.", "stop"),
]


@pytest.mark.parametrize(("name", "text", "finish"), EXAMPLES)
def test_a_fault_is_named_unless_the_strategy_is_exempt(name: str, text: str, finish: str) -> None:
    assert reason(text, finish) == name
    assert reason(text, finish, exempt=frozenset(RULES)) == ""


def test_every_rule_has_an_example_and_a_good_note_passes() -> None:
    assert {name for name, _, _ in EXAMPLES} == set(RULES)
    assert reason(GOOD) == ""
    assert reason("Pellick is sorry for nothing, surely.") == ""


@pytest.mark.parametrize(
    ("text", "supported"),
    [
        ("There are 2,460 people.", True),
        ("There are 2460 people, in 12.5 houses.", True),
        ("There are 2461 people.", False),
        ("Every June, Pellick's market opens.", False),
        ("Then came Tolle. However, all was well.", True),
        ("He said: Nobody came. (Perhaps.)\n- Ferries sank.", True),
        ("It is near the Tolles' house.", True),
        ("I hear that Tolle is a Guild.", False),
    ],
)
def test_names_and_numbers_must_stand_in_the_chunk(text: str, supported: bool) -> None:
    chunk = Chunk("a.md", "Pellick", "a.md", 0, 9, "Pellick has 2,460 people in 12.5 houses, and Tolle has a market.")
    assert unsupported(Note(text, Reply(text, "stop", 1, 1)), chunk, Filters()) is not supported


def test_the_strategys_own_problem_comes_first() -> None:
    assert reason("Pellick.", problem="unparsed") == "unparsed"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sure, here is the text:\n\nPellick is a town.", "Pellick is a town."),
        ("Here's a rewritten version of the text:\nPellick.", "Pellick."),
        ("Rewritten text: Pellick.", "Pellick."),
        ("Here is Pellick, a town.", "Here is Pellick, a town."),
        ("Great Pellick is a town.", "Great Pellick is a town."),
        ("  Pellick.  ", "Pellick."),
    ],
)
def test_strip_opener_takes_only_an_opening_line(text: str, expected: str) -> None:
    assert strip_opener(text) == expected


def test_duplicates_ignore_case_space_and_punctuation_but_not_the_document() -> None:
    assert duplicate_key("a", "Pellick, a  town!") == duplicate_key("a", "pellick a town")
    assert duplicate_key("a", "Pellick") != duplicate_key("b", "Pellick")
