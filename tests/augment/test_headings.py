"""Headings of Markdown, also of Markdown that HTML became; code, rules, tables and front matter hold none."""

import time
from itertools import pairwise

import pytest
from markdown_it import MarkdownIt

from augment.headings import MAX_NAME, find_headings, find_title


def names(text: str) -> list[tuple[int, str]]:
    return [(h.level, h.name) for h in find_headings(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# A\n## B ##\n####### C\n#D\n", [(1, "A"), (2, "B")]),
        ("   # A\n    # code\n\t# code\n", [(1, "A")]),
        ("## C#\n# F# #\n", [(2, "C#"), (1, "F#")]),
        ("Town\n====\n\nTrade\n-----\ntext\n", [(1, "Town"), (2, "Trade")]),
        ("Town  \r\n==\r\n# Trade\r\n", [(1, "Town"), (1, "Trade")]),
        ("one line\nand another\n---\n", []),
        ("---\ntitle: x\n---\ntext\n", []),
        ("---\ntitle: x\nid: 7\n---\ntext\n", []),
        ("- item\n---\n> quote\n---\n1. one\n===\n", []),
        ("| a | b |\n|---|---|\n\na | b\n--- | ---\n", []),
        ("text\n\n---\n\ntext\n\n===\n", []),
        ("```\n# no\n~~~\n# no\n```\n# A\n", [(1, "A")]),
        ("````\n```\n# no\n````\n# A\n", [(1, "A")]),
        ("~~~ py\n# no\n~~~ more\n# no\n~~~\n# A\n", [(1, "A")]),
        ("``` a`b\n# A\n", [(1, "A")]),
        ("text\n```\n# never closed\n", []),
        ("```\nno\n====\n```\nA\n====\n", [(1, "A")]),
        ("# A\nB\n==\n", [(1, "A"), (1, "B")]),
    ],
)
def test_headings_are_found(text: str, expected: list[tuple[int, str]]) -> None:
    assert names(text) == expected
    for heading in find_headings(text):
        assert heading.name in text[heading.start : heading.end]


@pytest.mark.parametrize(
    "text",
    [
        "# A\n\ntext\n\nB\n=\n\nC\n==\n\n```\n# x\n```\n## D ##\n",
        "A\n---\n\n~~~\nB\n===\n~~~\n\n# C #\n\n    # code\n\n- # in a list\n",
        "---\n\nA\n\n---\n\n## `code` and text\n",
    ],
)
def test_headings_are_those_of_commonmark_but_for_one_dash_lines_and_lists(text: str) -> None:
    tokens, lines = MarkdownIt("commonmark").parse(text), text.splitlines()
    found = [
        (int(heading.tag[1]), inline.content.replace("`", ""))
        for heading, inline in pairwise(tokens)
        if heading.type == "heading_open" and heading.level == 0 and lines[heading.map[1] - 1] not in ("=", "-")
    ]
    assert names(text) == found


def test_a_name_has_no_markup_and_a_bound() -> None:
    text = "## [The **Vellamy** Bridge](https://example.org/a) and `code` in my\\_file\n# " + "x" * 5000 + "\n"
    assert names(text) == [(2, "The Vellamy Bridge and code in my_file"), (1, "x" * MAX_NAME)]


def test_the_title_is_the_first_heading_or_a_short_first_line() -> None:
    assert find_title("\n\n# The **Town** #\ntext") == "The Town"
    assert find_title("The Town\n========\ntext") == "The Town"
    assert find_title("The Town\n\n# Trade\n") == "The Town"
    assert find_title("A sentence is no title.\n# Trade\n") == ""
    assert find_title("```python\n# no\n```\n") == "" and find_title("---\ntitle: x\n---\n# Town\n") == ""
    assert find_title(" \n\u00a0\n") == "" and find_title("") == ""
    assert find_title("x" * 10**7) == ""


@pytest.mark.parametrize(
    "line", ["# x" + " #" * 20_000 + "y\n", "=" * 60_000 + "x\n", "[" * 60_000, "# " + "[](" * 20_000]
)
def test_hostile_lines_are_read_in_linear_time(line: str) -> None:
    started = time.monotonic()
    for _ in find_headings(line * 5):
        pass
    assert time.monotonic() - started < 1


def test_many_underlines_are_read_in_linear_time() -> None:
    started = time.monotonic()
    assert len(names("A\n---\n" * 50_000)) == 50_000
    assert names("A\n" * 50_000 + "---\n" * 50_000) == []
    assert time.monotonic() - started < 3
