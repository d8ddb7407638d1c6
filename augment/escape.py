"""Makes hostile text, such as model output or file names, harmless in a terminal, Markdown or HTML."""

import html
import unicodedata

# Control, surrogate and direction-changing characters: they drive terminals, break UTF-8 and reorder lines.
HIDDEN_CATEGORIES = {"Cc", "Cs"}
DIRECTION_MARKS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
MARKDOWN_SIGNS = {sign: f"\\{sign}" for sign in "*_[]~$#"} | {sign: f"&#{ord(sign)};" for sign in "\\|`"}


def clean_line(text: str) -> str:
    """One line of printable text: white space collapsed, what cannot be shown replaced by U+FFFD."""
    return "".join("\ufffd" if _is_unprintable(sign) else sign for sign in " ".join(text.split()))


def clip_end(text: str, max_chars: int) -> str:
    """One clean line that keeps the beginning of `text`."""
    line = clean_line(text)
    return line if len(line) <= max_chars else line[: max_chars - 1].rstrip() + "…"


def clip_start(text: str, max_chars: int) -> str:
    """One clean line that keeps the end of `text`: a prompt with examples has its question there."""
    line = clean_line(text)
    return line if len(line) <= max_chars else "…" + line[1 - max_chars :].lstrip()


def escape_markdown(text: str) -> str:
    """One line that renders as itself inside a Markdown table cell: no markup, no HTML, no further cell."""
    line = html.escape(clean_line(text), quote=False)
    # html.escape writes `&lt;` and the like, which hold no sign of Markdown, so the order of the two is safe.
    return "".join(MARKDOWN_SIGNS.get(sign, sign) for sign in line)


def _is_unprintable(sign: str) -> bool:
    return unicodedata.category(sign) in HIDDEN_CATEGORIES or sign in DIRECTION_MARKS
