"""Turns a rendered SVG plot into an element of a page: unique ids, a spoken name, colours of the theme."""

import re

from markupsafe import Markup, escape

from train.report.plots import INK, RULE, SERIES_COLOURS

THEME_COLOURS = {INK: "currentColor", RULE: "var(--rule)"} | {
    colour: f"var(--series-{i})" for i, colour in enumerate(SERIES_COLOURS)
}
REFERENCE = re.compile(r'(\bid="|href="#|url\(#)')
STYLE_ATTRIBUTE = re.compile(r'\bstyle="[^"]*"')


def inline_svg(svg: str, name: str, description: str) -> Markup:
    """Our own plot as trusted markup; matplotlib has escaped the names in it. `name` prefixes every id."""
    start = svg.index("<svg")
    body = svg[svg.index(">", start) + 1 :]
    view = re.search(r'viewBox="[-0-9. ]+"', svg[start:])
    assert view, "matplotlib writes a viewBox"
    body = REFERENCE.sub(rf"\g<1>{name}-", body)
    body = STYLE_ATTRIBUTE.sub(_use_theme, body)
    return Markup('<svg {} role="img" aria-label="{}" xmlns:xlink="http://www.w3.org/1999/xlink">{}').format(
        Markup(view.group()), escape(description), Markup(body)
    )


def _use_theme(match: re.Match[str]) -> str:
    text = match.group()
    for colour, variable in THEME_COLOURS.items():
        text = text.replace(colour, variable)
    return text
