"""Turns a text into what it claims: numbers and names, each with all the spellings that mean the same.

Source and note are read by the same rules, so that a claim is supported when one of its spellings is among those of
the source. Only a note's names, digits and larger number words are claims; a source's every word counts as said.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from augment.filters.numbers import (
    HINTS,
    LARGE,
    MONTH_OF,
    ROMAN,
    SCALES,
    SMALL,
    multiply,
    read_date,
    read_digits,
    read_span,
    read_time,
    read_unit,
    read_words,
)

NUMBER_WORDS = frozenset({*SMALL, *LARGE})
NUMBER_WORD = "|".join(sorted(NUMBER_WORDS, key=len, reverse=True))
SCALE = "|".join(SCALES)
TOKEN = re.compile(
    r"(?P<initials>(?:[^\W\d_]\.){2,})"
    r"|(?P<word>[^\W\d_]\w*(?:['’]\w+)*)"
    r"|(?P<date>\d{4}-\d{1,2}-\d{1,2}(?!\d)|\d{1,2}[./]\d{1,2}[./](?:\d{4}|\d{2})(?!\d))"
    r"|(?P<span>\d{4})[-–/](?P<until>\d{2})(?!\d)"
    r"|(?P<time>\d{1,2}:\d{2})(?![\d:])"
    rf"|(?P<number>\d+(?:[.,]\d+)*)(?:(?P<unit>[^\W\d_]\w*)|[ -](?P<scale>(?i:{SCALE}))s?\b)?"
)
NUMBER_ROW = re.compile(
    rf"(?:{NUMBER_WORD})(?:(?:[ -]|(?<=hundred) and |(?<=thousand) and )(?:{NUMBER_WORD})\b)*", re.IGNORECASE
)
THIN_SPACE = re.compile(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3})")
LIST_MARK = re.compile(r"(?:^|\n)[ \t]*\Z")
OPENING = re.compile(r"(?:^|[.!?:…]\s|\n|[\"“”„«‘(\[]|[-*•>|]\s|[–—]\s?|\d\)\s)[\s\W_]*\Z")
SHORTENED = re.compile(r"\b(\w+)\. \Z")
JOINED = re.compile(r"([^\W\d_]+)-\Z")
HEADING = re.compile(r"^[ \t]*(?:#{1,6} [^\n]*|(?:[-*] )?\*{0,2}\w+(?: \w+){0,3}:)", re.MULTILINE)
BEFORE = 12  # characters that are looked at before a word
FIRST_CLAIMED_WORD = 4  # "two others" counts what is there; it states no figure
SPECIAL_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "’": "'"}
)
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa"})
SHORT_FORMS = {
    "dr": "doctor", "mr": "mister", "mrs": "missus", "prof": "professor", "st": "saint", "ste": "saint",
    "mt": "mount", "ft": "fort", "gen": "general", "capt": "captain", "sen": "senator", "gov": "governor",
    "lt": "lieutenant", "col": "colonel", "rev": "reverend", "pres": "president", "sgt": "sergeant", "co": "company",
    "corp": "corporation", "inc": "incorporated", "ltd": "limited", "jr": "junior", "sr": "senior",
    "univ": "university",
    "dept": "department", "ave": "avenue", "rd": "road", "mon": "monday", "tue": "tuesday", "tues": "tuesday",
    "wed": "wednesday", "thu": "thursday", "thur": "thursday", "thurs": "thursday", "fri": "friday",
    "sat": "saturday", "sun": "sunday",
}  # fmt: skip
TITLES = frozenset("dr mr mrs prof st ste mt ft gen capt sen gov lt col rev pres sgt".split())  # a name follows
ACRONYMS_TOO = {"who", "it"}
# Capitals that claim nothing: what begins a sentence after a mark that OPENING does not know, and shouting.
COMMON = frozenset(
    "a an the this that these those it its he she they we you i i'm i've i'll i'd his her their our your my who what "
    "when where which why how there here then thus so and or but nor for yet if as at by in on of to up with from into "
    "over under after before during since until while because although though however therefore moreover also both "
    "each every all some any no none not never always only once yes true false one two three first second third "
    "is are was were be been has have had do does did can could will would should might must".split()
)


class Claim(NamedTuple):  # a dataclass takes three times as long to make, and there is one for every word
    """A number or word at [start, end) of a text, and the spellings that mean it, its own first.

    `is_name` where a capital stands that no sentence asks for; `is_claimed` where a note must have it from its source.
    `is_wide` where the spellings are more than what is said (a decade's years).
    """

    start: int
    end: int
    spellings: tuple[str, ...]
    is_name: bool = False
    is_claimed: bool = False
    is_wide: bool = False


def read_claims(text: str, every_word: bool = True) -> Iterator[Claim]:
    """The numbers and words of a text in order; without `every_word` those alone that could claim something."""
    text = plain(text)
    headings: list[int] | None = None
    row_end = 0
    for match in TOKEN.finditer(text):
        word = match["word"]
        if match.start() < row_end:
            continue
        if word is None:
            yield from read_number(text, match)
        elif word.lower() in NUMBER_WORDS:
            row = NUMBER_ROW.match(text, match.start())
            assert row is not None
            row_end = row.end()
            yield read_number_words(row)
        elif word[0].isupper():
            if headings is None:
                headings = [edge for found in HEADING.finditer(text) for edge in found.span()]
            yield read_name(text, match, word, is_inside(headings, match.start()))
        elif every_word or not word.isalpha():
            yield read_word(match, word)


def is_inside(edges: Sequence[int], place: int) -> bool:
    """Whether a place is in one of the spans whose starts and ends are listed in order."""
    return bisect_right(edges, place) % 2 == 1


def plain(text: str) -> str:
    """The text with compatible characters, thousands without thin spaces."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", THIN_SPACE.sub("", text))


def read_word(match: re.Match[str], word: str) -> Claim:
    """A word without a capital; it claims something only when it has digits (b2b)."""
    if not word.isalpha() and any(c.isdigit() for c in word):
        return Claim(match.start(), match.end(), (word,), is_claimed=True)
    spellings: tuple[str, ...] = (stem(word),)
    if word in HINTS or word in MONTH_OF:
        spellings = (*spellings, *HINTS.get(word, ()), *month(word))
    return Claim(match.start(), match.end(), spellings)


def read_number_words(match: re.Match[str]) -> Claim:
    """The number that words in a row say, and the last of them as a word (a second)."""
    words = [word for word in re.split(r"[ -]", match[0].lower()) if word != "and"]
    value = read_words(words)
    is_claimed = len(words) > 1 or (words[0] in SMALL and int(value) >= FIRST_CLAIMED_WORD)
    return Claim(match.start(), match.end(), (value,), is_claimed=is_claimed)


def read_number(text: str, match: re.Match[str]) -> Iterator[Claim]:
    """What stands in digits, or in letters with points."""
    start, end = match.span()
    if match["initials"]:
        letters = match["initials"].replace(".", "")
        yield Claim(start, end, (letters.lower(),), letters.isupper(), letters.isupper())
    elif match["date"]:
        yield from (Claim(start, end, spellings, is_claimed=True) for spellings in read_date(match["date"]))
    elif match["span"]:
        for spellings in read_span(match["span"], match["until"]):
            yield Claim(start, end, spellings, is_claimed=True)
    elif match["time"]:
        yield Claim(start, end, read_time(match["time"]), is_claimed=True)
    else:
        yield read_figure(text, match)


def read_figure(text: str, match: re.Match[str]) -> Claim:
    """A number in digits with what belongs to it: a unit, a scale, a century, a letter before (A-113)."""
    start, end = match.span()
    spellings, unit = read_digits(match["number"]), (match["unit"] or "").lower()
    if match["scale"]:
        return Claim(start, end, multiply(spellings, SCALES[match["scale"].lower()]) or spellings, is_claimed=True)
    if text[end : end + 8].lower() == " century":
        return Claim(start, end, spellings + century_years(spellings[0]), is_claimed=True, is_wide=True)
    if unit:
        several = read_unit(spellings, unit)
        return Claim(start, end, several, is_claimed=True, is_wide=unit == "s" and len(several) == 10)
    if joined := JOINED.search(text, max(0, start - BEFORE), start):
        spellings = (*spellings, f"{joined[1].lower()}{match['number']}")
    is_mark = text[end : end + 1] in (".", ")") and LIST_MARK.search(text, max(0, start - BEFORE), start)
    return Claim(start, end, spellings, is_claimed=not is_mark)


def century_years(ordinal: str) -> tuple[str, ...]:
    """The years of the 19th century."""
    first = 100 * (int(ordinal) - 1) if ordinal.isdecimal() and len(ordinal) <= 2 else 0
    return tuple(f"{year}" for year in range(first, first + 101)) if first > 0 else ()


def read_name(text: str, match: re.Match[str], word: str, is_heading: bool) -> Claim:
    """A word with a capital: a name, unless a sentence or a heading asks for the capital."""
    start, end = match.span()
    low = word.lower()
    spellings = (stem(low), *short(low), *month(low), *HINTS.get(low, ()))
    if low in ROMAN and word.isupper():
        spellings = (*spellings, ROMAN[low])
    is_common = low in COMMON and not (word.isupper() and low in ACRONYMS_TOO)
    return Claim(start, end, spellings, True, not (is_heading or is_common or opens(text, start, end)))


def opens(text: str, start: int, end: int) -> bool:
    """Whether a sentence begins with this word, so that its capital says nothing.

    Not after a short form (Dr. Lorn), and not where an answer consists of it.
    """
    if not OPENING.search(text, max(0, start - BEFORE), start):
        return False
    if text.startswith("Answer: ", start - 8) and (end == len(text) or text[end:].strip(" .") == ""):
        return False
    before = SHORTENED.search(text, max(0, start - BEFORE), start)
    return not (before and (before[1].lower() in TITLES or (len(before[1]) == 1 and before[1].isupper())))


def stem(low: str) -> str:
    """Lower case without accents, possessive and plural."""
    if not low.isascii():
        low = fold(low)
    if "'" in low:
        low = low.removesuffix("'s").removesuffix("'")
    if len(low) > 3 and low[-1] == "s":
        if low.endswith("ies"):
            return f"{low[:-3]}y"
        if low.endswith(("ses", "xes", "zes", "ches", "shes")):
            low = low[:-2]
        if low[-1] == "s" and low[-2] != "s":
            return low[:-1]
    return low


def fold(low: str) -> str:
    """Without accents: é is e, ø is o."""
    parts = unicodedata.normalize("NFKD", low.casefold().translate(SPECIAL_LETTERS))
    return "".join(c for c in parts if not unicodedata.combining(c))


def short(low: str) -> tuple[str, ...]:
    """Other spellings of a name: what it is short for, and umlauts in two letters."""
    found = (SHORT_FORMS[low],) if low in SHORT_FORMS else ()
    return found if low.isascii() or low.translate(UMLAUTS) == low else (*found, stem(low.translate(UMLAUTS)))


def month(low: str) -> tuple[str, ...]:
    """The month that the word names."""
    return (f"month:{MONTH_OF[low]}",) if low in MONTH_OF else ()
