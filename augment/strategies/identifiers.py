"""Drills the chunk's exact strings: numbers, dates, codes and acronyms, asked for by code and said by the model.

Notes in the model's own words lose what must be kept to the letter: a replication of Active Reading (2508.09494)
recalled 4 % of identifiers verbatim, 78 % with fixed question types. Cloze and question forms are made here without
asking the model, so they are exact.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import Field

from augment.records import Chunk, Note, Reply
from augment.strategies.base import Ask, Options, Strategy
from augment.strategies.sentences import split_sentences

Form = Literal["cloze", "question", "sentence"]
FORMS: tuple[Form, ...] = get_args(Form)
GAP = "____"
MONTH = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
DATE = re.compile(rf"\b\d{{1,2}}(?:st|nd|rd|th)? {MONTH}(?:,? \d{{4}})?\b|\b{MONTH} \d{{1,2}}(?:,? \d{{4}})?\b")
WORD = re.compile(r"\S+")
# A digit; a code's joints between letters; or capitals alone.
EXACT = re.compile(r"\d|[A-Za-z](?:_|::|@|://)[A-Za-z]|^[A-Z]{2,}(?:-[A-Z]+)*$")
EDGE = ".,;:!?()[]{}<>\"'“”‘’*`"  # punctuation around a word that is no part of it
KINDS = {
    "year": re.compile(r"(?:1\d|20)\d\d"),
    "date": re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{2,4}"),
    "number": re.compile(r"[$€£#+-]?\d[\d,.]*%?"),
}
# One wording a round: a fact seen in one form only is hardly ever recalled in another (2309.14316).
WORDINGS: dict[Form, list[str]] = {
    "cloze": [
        "{title}. Fill the gap: {gap}\nThe {kind} is {exact}.",
        "About {title}, with one {kind} left out: {gap}\nMissing: {exact}",
        "{gap} (From the text about {title}; the gap stands for the {kind} {exact}.)",
    ],
    "question": [
        "Question: About {title}, which {kind} belongs in the gap? {gap}\nAnswer: {exact}",
        "Question: {title}: what is the exact {kind} that is missing here? {gap}\nAnswer: {exact}",
        "Question: Which {kind} completes this sentence about {title}: {gap}\nAnswer: {exact}",
    ],
}


class Identifiers(Options):
    """At most `max_identifiers` of a chunk, in these forms: cloze and question by code, sentence by the model."""

    max_identifiers: int = Field(default=8, ge=1)
    forms: list[Form] = Field(default=list(FORMS), min_length=1)

    def count_calls(self, chunk: Chunk) -> int:
        return self.max_identifiers if "sentence" in self.forms else 0


@dataclass(frozen=True, slots=True)
class Identifier:
    """An exact string, the sentence it stands in, and what to call it: year, date, number or code."""

    exact: str
    sentence: str
    kind: str

    def hide(self) -> str:
        """The sentence with a gap wherever the string stands."""
        return re.sub(rf"(?<!\w){re.escape(self.exact)}(?!\w)", lambda _: GAP, " ".join(self.sentence.split()))


async def study(chunk: Chunk, ask: Ask, options: Identifiers) -> AsyncIterator[Note]:
    """One note per identifier and form. A sentence of the model without the exact string is rejected
    (`identifier_lost`), a chunk that has no identifier is one rejected note (`no_identifiers`).
    """
    found = list(find_identifiers(chunk.text))[: options.max_identifiers]
    if not found:
        yield Note("", Reply("", "stop", 0, 0), problem="no_identifiers")
    for form in options.forms:
        for identifier in found if form != "sentence" else []:
            if text := write_form(identifier, form, chunk.topic, ask.round):
                yield Note(text, Reply("", "stop", 0, 0), strategy_text=f"{form}: {identifier.exact}")
    for note in await say_each(chunk, ask, found if "sentence" in options.forms else []):
        yield note


async def say_each(chunk: Chunk, ask: Ask, identifiers: list[Identifier]) -> list[Note]:
    """A sentence of the model about each identifier."""
    calls = [ask("identifiers", chunk, exact=found.exact, kind=found.kind) for found in identifiers]
    return [
        Note(reply.text, reply, f"sentence: {found.exact}", "" if found.exact in reply.text else "identifier_lost")
        for found, reply in zip(identifiers, await asyncio.gather(*calls), strict=True)
    ]


def write_form(identifier: Identifier, form: Form, title: str, round_: int) -> str:
    """The identifier in the round's wording; "" when all wordings are used up, for another time says nothing new."""
    wordings = WORDINGS[form]
    if round_ >= len(wordings):
        return ""
    return wordings[round_].format(title=title, gap=identifier.hide(), kind=identifier.kind, exact=identifier.exact)


def find_identifiers(text: str) -> Iterator[Identifier]:
    """Each exact string of the text once, sentence by sentence, dates before single words."""
    seen: set[str] = set()
    for sentence in split_sentences(text):
        for exact, kind in exact_strings(sentence):
            if exact not in seen:
                seen.add(exact)
                yield Identifier(exact, sentence, kind)


def exact_strings(sentence: str) -> Iterator[tuple[str, str]]:
    """Dates, then words with a digit, joined codes and acronyms, each with its kind."""
    for match in DATE.finditer(sentence):
        yield match[0], "date"
    for match in WORD.finditer(DATE.sub(" ", sentence)):
        word = re.sub(r"['’]s$", "", match[0].strip(EDGE))
        if EXACT.search(word):
            yield word, next((kind for kind, form in KINDS.items() if form.fullmatch(word)), "code")


STRATEGY = Strategy("identifiers", Identifiers, study, templates=("identifiers",), exempt=frozenset({"copy"}))
