"""Rejects a note with a name or a number that its source does not have, in whatever spelling."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from augment.filters.base import Filters
from augment.filters.claims import Claim, plain, read_claims
from augment.filters.language import find_language
from augment.records import Chunk, Note

NOUNS_HAVE_CAPITALS = {"de", "lb"}
SMALL_WORDS = {"of", "the", "and", "for", "de", "du", "la", "del", "von", "van"}
ADJECTIVE_ENDS = ("ians", "ian", "ans", "an", "ese", "ish", "ic", "i", "ers", "er", "n", "s")
PEOPLES = {
    "french": "france", "dutch": "netherland", "spanish": "spain", "danish": "denmark", "greek": "greece",
    "welsh": "wale", "swis": "switzerland", "swiss": "switzerland", "finnish": "finland", "irish": "ireland",
    "polish": "poland", "turkish": "turkey", "british": "britain", "norwegian": "norway", "portuguese": "portugal",
    "peruvian": "peru", "brazilian": "brazil", "belgian": "belgium", "american": "america",
}  # fmt: skip
MAX_ACRONYM = 6


@dataclass(frozen=True, slots=True)
class Source:
    """What a text says: spellings of its numbers and words, its names, and the first letters of names in a row."""

    said: frozenset[str]
    names: tuple[str, ...]
    acronyms: frozenset[str]
    judges_names: bool


def unsupported(note: Note, chunk: Chunk, options: Filters) -> bool:
    """Whether a number or a name of the note occurs in neither title nor chunk, nor in the document where that counts.

    Numbers, names and other capitalised words inside sentences are checked: the share of invented facts that can be
    seen without a model (see docs/filters.md for what counts as the same).
    """
    sources = [read_source(f"{chunk.topic}\n{chunk.text}")]
    missing = find_missing(note.text, sources)
    if missing and options.support == "document":
        return bool(find_missing(note.text, [*sources, read_document(chunk.document_text)]))
    return bool(missing)


def find_missing(text: str, sources: Sequence[Source]) -> list[str]:
    """The claims of a text that no source supports, as they stand in it."""
    claims = read_claims(text, every_word=False)
    missing = [c for c in claims if c.is_claimed and not any(supports(source, c) for source in sources)]
    if any(c.is_name for c in missing):
        words = list(read_claims(text))
        expanded = {start for source in sources for start in find_expansions(words, source)}
        missing = [c for c in missing if c.start not in expanded]
    text = plain(text) if missing else text
    return [text[c.start : c.end] for c in missing]


def supports(source: Source, claim: Claim) -> bool:
    """Whether the source says it, or something of which it is another form."""
    if not source.said.isdisjoint(claim.spellings) or (claim.is_name and not source.judges_names):
        return True
    word = claim.spellings[0]
    if not claim.is_name:
        return False
    if len(word) == 1:  # an initial
        return any(name[0] == word for name in source.names)
    return word in source.acronyms or PEOPLES.get(word) in source.said or is_adjective(word, source.names)


def is_adjective(word: str, names: Sequence[str]) -> bool:
    """Whether it is what people or things of a name are called: Italian of Italy, Osselers of Ossel."""
    roots = {word[: -len(end)] for end in ADJECTIVE_ENDS if word.endswith(end) and len(word) - len(end) >= 4}
    roots.add(word if len(word) >= 5 else "")  # German of Germany
    return any(name.startswith(root) and len(name) - len(root) <= 2 for root in roots if root for name in names)


def find_expansions(claims: Sequence[Claim], source: Source) -> Iterator[int]:
    """Where names in a row stand whose first letters the source says: World Health Organization for WHO."""
    for row in name_rows(claims):
        if any(letters in source.said for letters in whole_initials(row)):
            yield from (claim.start for claim in row)


def whole_initials(row: Sequence[Claim]) -> set[str]:
    """First letters of all words of a row, with and without the small ones."""
    found = ("".join(c.spellings[0][:1] for c in words) for words in (row, [c for c in row if c.is_name]))
    return {letters for letters in found if 2 <= len(letters) <= MAX_ACRONYM}


def name_rows(claims: Sequence[Claim]) -> Iterator[list[Claim]]:
    """Names that follow each other, small words between them included."""
    row: list[Claim] = []
    for claim in claims:
        near = not row or claim.start - row[-1].end <= 1
        if near and (claim.is_name or (row and claim.spellings[0] in SMALL_WORDS)):
            row.append(claim)
        else:
            if len(row) > 1:
                yield row
            row = [claim] if claim.is_name else []
    if len(row) > 1:
        yield row


def initials(row: Sequence[Claim]) -> Iterator[str]:
    """First letters of every part of a row of names, with and without its small words."""
    for words in (row, [c for c in row if c.is_name]):
        letters = "".join(c.spellings[0][:1] for c in words)
        for size in range(2, min(len(letters), MAX_ACRONYM) + 1):
            yield from (letters[i : i + size] for i in range(len(letters) - size + 1))


@lru_cache(maxsize=1024)
def read_source(text: str) -> Source:
    """What a chunk says; its notes come one after another."""
    claims = list(read_claims(text))
    said = {"1"}
    for claim in claims:
        said.update(claim.spellings[:1] if claim.is_wide else claim.spellings)
    names = tuple({c.spellings[0] for c in claims if c.is_name and c.spellings[0]})
    acronyms = frozenset(letters for row in name_rows(claims) for letters in initials(row))
    return Source(frozenset(said), names, acronyms, find_language(text) not in NOUNS_HAVE_CAPITALS)


@lru_cache(maxsize=16)
def read_document(text: str) -> Source:
    """What a whole document says."""
    return read_source.__wrapped__(text)
