"""Turns the spellings of a number, a date or a time into the same short texts: 1,000 and "a thousand" are 1000."""

import re
from collections.abc import Sequence

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen".split()
)
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
ORDINALS = "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
SMALL = {
    **{word: value for value, word in enumerate(ONES)},
    **{f"{word}th": value for value, word in enumerate(ONES)},
    **{word: value for value, word in enumerate(ORDINALS)},
    **{word: 10 * value for value, word in enumerate(TENS, 2)},
    **{f"{word[:-1]}ieth": 10 * value for value, word in enumerate(TENS, 2)},
}
LARGE = {**SCALES, **{f"{word}th": value for word, value in SCALES.items()}, **{f"{w}s": v for w, v in SCALES.items()}}
# What a source may say for a number; a note that says it claims none.
HINTS = {
    "half": ("0.5", "50"), "quarter": ("0.25", "25", "4"), "dozen": ("12",), "dozens": ("12",), "twice": ("2",),
    "double": ("2",), "doubled": ("2",), "both": ("2",), "pair": ("2",), "couple": ("2",), "thrice": ("3",),
    "triple": ("3",), "single": ("1",), "once": ("1",), "none": ("0",), "no": ("0",), "decade": ("10",),
    "century": ("100",), "fortnight": ("14",), "noon": ("12",), "midnight": ("0", "12", "24"),
}  # fmt: skip
SUFFIXES = {"k": 1000, "m": 10**6, "mn": 10**6, "bn": 10**9, "b": 10**9, "tn": 10**12}
MONTHS = "january february march april may june july august september october november december".split()
MONTH_OF = {spelling: i for i, name in enumerate(MONTHS, 1) for spelling in (name, name[:3])} | {"sept": 9}
ROMAN = {
    word: f"{value}"
    for value, word in enumerate(
        "ii iii iv v vi vii viii ix x xi xii xiii xiv xv xvi xvii xviii xix xx xxi xxii xxiii xxiv".split(), 2
    )
}
GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
GROUPED_BY_DOT = re.compile(r"\d{1,3}(?:\.\d{3})+(?:,\d+)?")
MAX_DIGITS = 30


def spell(value: float) -> str:
    """A number as text, without an exponent or empty decimals."""
    return f"{int(value)}" if value == int(value) else f"{value:.10f}".rstrip("0")


def read_digits(text: str) -> tuple[str, ...]:
    """What digits with separators can mean: 1,000 is 1000, 1.000 is 1 or 1000, 1,5 is 1.5, 007 is 7."""
    if text.isdecimal():
        return (str(int(text)) if len(text) <= MAX_DIGITS else text,)
    readings = []
    if GROUPED.fullmatch(text):
        readings.append(text.replace(",", ""))
    else:
        if GROUPED_BY_DOT.fullmatch(text):
            readings.append(text.replace(".", "").replace(",", "."))
        readings.append(text.replace(",", ".") if text.count(",") + text.count(".") == 1 else text)
    return tuple(trim(reading) for reading in readings)


def trim(text: str) -> str:
    """Without zeros that say nothing: 12.50 is 12.5."""
    whole, _, part = text.partition(".")
    part = part.rstrip("0")
    return f"{whole.lstrip('0') or '0'}.{part}" if part else whole.lstrip("0") or "0"


def multiply(readings: Sequence[str], factor: int) -> tuple[str, ...]:
    """Each reading of a number times a power of ten: 2.5 million."""
    return tuple(spell(round(float(reading) * factor, 6)) for reading in readings if is_plain(reading))


def is_plain(reading: str) -> bool:
    """Whether it is a number with at most one point, and not so long that no float holds it."""
    return reading.replace(".", "", 1).isdecimal() and len(reading) <= 15


def read_date(text: str) -> list[tuple[str, ...]]:
    """Year, month and day of 1821-03-12, 12.3.1821 or 3/12/21, each with all it can mean."""
    parts = [part.lstrip("0") or "0" for part in re.split(r"[-./]", text)]
    if len(text.partition("-")[0]) == 4:
        year, *others = parts
    else:
        *others, year = parts
    months = tuple(f"month:{part}" for part in others)
    years = (year,) if len(year) > 2 else (year, f"19{year:0>2}", f"20{year:0>2}")
    return [years, *((part, *months) for part in others)]


def read_time(text: str) -> tuple[str, ...]:
    """15:30 is also 3:30, 15:00 also 15 and 3."""
    hour, minute = text.split(":")
    hours = {int(hour), int(hour) % 12 or 12}
    return tuple(f"{h}:{minute}" for h in hours) + (tuple(f"{h}" for h in hours) if minute == "00" else ())


def read_span(first: str, last: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """1914-18 is 1914 and 1918."""
    return (first,), (f"{first[:2]}{last}", str(int(last)))


def read_unit(readings: tuple[str, ...], unit: str) -> tuple[str, ...]:
    """Digits with letters behind: 12th, 1820s, 5km, 3bn, B2B's 2b."""
    if unit == "s" and len(readings[0]) == 4 and readings[0].endswith("0"):  # a decade holds its years
        return tuple(f"{int(readings[0]) + i}" for i in range(10))
    return (*readings, *multiply(readings, SUFFIXES[unit])) if unit in SUFFIXES else readings


def read_words(words: Sequence[str]) -> str:
    """The value of number words in a row: two hundred and five thousand is 205000, nineteen eighty-four 1984."""
    total, current = 0, 0
    for word in words:
        if word in SMALL:
            # A year is said in two halves.
            pair = 10 <= current < 100 and SMALL[word] >= 10
            current = current * 100 + SMALL[word] if pair else current + SMALL[word]
        elif LARGE[word] == 100:
            current = max(current, 1) * 100
        else:
            total, current = total + max(current, 1) * LARGE[word], 0
    return f"{total + current}"
