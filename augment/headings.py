"""Turns Markdown text into its headings: ATX (`## Name`) and setext (`Name` over `----`), none inside a code fence."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_NAME = 200  # characters; a heading goes into every prompt about what stands below it
MARK = re.compile(
    r"^ {0,3}(?:(?P<level>#{1,6})[ \t]+(?P<text>\S[^\n]*)"
    r"|(?P<fence>`{3,}|~{3,})(?P<info>[^\n]*)"
    r"|(?P<underline>={2,}|-{2,})[ \t\r]*)$",
    re.MULTILINE,
)
# A line that starts like this is a list item, a quote, a table row or code, never the text of a setext heading.
NO_PARAGRAPH = re.compile(r" {4}| {0,3}(?:\t|[-*+>|]|\d{1,9}[.)]\s)")
LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+.!|-])")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading's lines, characters [start, end) of the text, its level from 1 to 6, and its name without markup."""

    start: int
    end: int
    level: int
    name: str


def find_headings(text: str) -> Iterator[Heading]:
    """The headings in order, in time linear in the text."""
    fence, body = "", 0  # the fence that is open; where the text after the last heading or fence begins
    for match in MARK.finditer(text):
        if fence:
            if closes(match, fence):
                fence, body = "", match.end()
        elif match["fence"]:
            if match["fence"][0] == "~" or "`" not in match["info"]:
                fence = match["fence"]
        elif match["level"]:
            body = match.end()
            yield Heading(match.start(), body, len(match["level"]), clean_name(match["text"]))
        elif line := line_above(text, body, match.start()):
            body = match.end()
            yield Heading(line[0], body, 1 if match["underline"][0] == "=" else 2, clean_name(text[slice(*line)]))


def closes(match: re.Match[str], fence: str) -> bool:
    """Whether a line closes the open fence: the same character, at least as often, and nothing after."""
    return (match["fence"] or "").startswith(fence) and not match["info"].strip()


def line_above(text: str, body: int, underline: int) -> tuple[int, int] | None:
    """The span of the one line above an underline, None when that is no heading.

    A paragraph of several lines over `---` is a paragraph and a rule, as its writer meant it, not one long heading
    as CommonMark has it; front matter between two `---` is none either.
    """
    end = underline - 1
    start = text.rfind("\n", body, max(end, body)) + 1 or body
    before = text[max(body, start - 200) : start]
    if end <= start or end - start > MAX_NAME or not text[start:end].strip() or NO_PARAGRAPH.match(text, start):
        return None
    return (start, end) if not before.rpartition("\n")[0].rpartition("\n")[2].strip() else None


def clean_name(text: str) -> str:
    """A heading's words: without closing #s, links' targets, bold and code marks, cut at `MAX_NAME` characters."""
    name = text.strip()
    bare = name.rstrip("#")
    if bare != name and bare[-1:] in ("", " ", "\t"):
        name = bare.rstrip()
    name = LINK.sub(r"\1", name[: 2 * MAX_NAME]).replace("**", "").replace("`", "")
    return ESCAPED.sub(r"\1", name).strip()[:MAX_NAME]


def find_title(text: str) -> str:
    """The first heading where the text begins with one, else its first line when that is short and says something."""
    first = next((line for line in map(str.strip, text[:10_000].splitlines()) if line), "")
    heading = next(find_headings(text[: text.find(first) + 2 * MAX_NAME]), None) if first else None
    if heading and not text[: heading.start].strip():
        return heading.name
    is_title = len(first) <= 80 and not first.endswith(".") and any(map(str.isalnum, first))
    return first if is_title and not first.startswith(("```", "~~~")) else ""
