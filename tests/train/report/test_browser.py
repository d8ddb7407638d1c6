"""The page as its readers meet it, in a headless Chromium: on a phone, in the dark, by keyboard, by screen reader."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from tests.train.report.browser import CONTRASTS, Browser, open_browser
from tests.train.report.runs import HOSTILE, NOTES, RUNS
from tests.train.report.test_report import poison
from tests.train.report.test_schema import enrich
from train.report import FactPlaces, Material, write_report

pytestmark = pytest.mark.slow
PHONE, DESK = 360, 1200
FACTS = Material((FactPlaces("f", HOSTILE, HOSTILE, HOSTILE, 1, 0, 2),), frozenset({"Question h1?"}))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as found:
        yield found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report with everything that one can have; names and texts are hostile."""
    runs = [poison(enrich(run)) for run in RUNS]
    runs = [replace(run, run=run.run[:60] if run.is_base else run.run) for run in runs]
    return write_report(runs, tmp_path_factory.mktemp("page"), HOSTILE, NOTES, FACTS).html.as_uri()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_page_is_as_wide_as_the_screen_and_its_text_stands_out(
    browser: Browser, page: str, width: int, dark: bool
) -> None:
    browser.open(page, width, dark=dark)
    assert browser.run("matchMedia('(prefers-color-scheme: dark)').matches") is dark
    assert browser.run("document.documentElement.scrollWidth") <= width
    worst = browser.run(CONTRASTS)
    assert worst[0][0] >= 4.5, worst  # WCAG 2.2, level AA


def test_plots_have_letters_of_a_readable_size_on_a_phone(browser: Browser, page: str) -> None:
    browser.open(page, PHONE)
    sizes = browser.run("[...document.querySelectorAll('svg text')].map(t => t.getBoundingClientRect()).map("
                        "r => Math.min(r.width, r.height)).filter(s => s > 0)")  # fmt: skip
    heights = browser.run("[...document.querySelectorAll('svg')].map(s => s.getBoundingClientRect().width)")
    assert len(sizes) > 40 and all(width > 300 for width in heights)
    fonts = browser.run("[...document.querySelectorAll('svg text')].map(t => parseFloat(getComputedStyle(t).fontSize) "
                        "* t.getScreenCTM().a)")  # fmt: skip
    assert min(size for size in fonts if size > 0) >= 7


def test_hostile_text_is_shown_and_never_run(browser: Browser, page: str) -> None:
    browser.requests.clear()
    browser.open(page, DESK)
    browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert "<script>alert(1)</script>" in browser.run("document.body.innerText")
    assert browser.run("document.querySelectorAll('script, img, iframe, object').length") == 0
    assert not browser.dialogs


def test_nothing_is_asked_from_elsewhere(browser: Browser, page: str) -> None:
    browser.requests.clear()
    browser.open(page, DESK)
    assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []


def test_everything_that_scrolls_or_opens_is_reached_by_keyboard(browser: Browser, page: str) -> None:
    browser.open(page, PHONE)
    wanted = browser.run("document.querySelectorAll('.scroll, summary').length")
    seen = set()
    for _ in range(wanted + 5):
        browser.press("Tab")
        seen.add(browser.run("(e => [...document.querySelectorAll('.scroll, summary')].indexOf(e))"
                             "(document.activeElement)"))  # fmt: skip
        if browser.run("document.activeElement !== document.body"):
            assert browser.run("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert set(range(wanted)) <= seen
    browser.run("document.querySelector('summary').focus()")
    browser.press("Enter")
    assert browser.run("document.querySelector('details').open") is True


def test_a_screen_reader_hears_names_of_plots_tables_and_sections(browser: Browser, page: str) -> None:
    browser.open(page, DESK)
    tree = browser.tree()
    for role, number in (("image", 5), ("table", 12), ("region", 12)):
        names = [name for found, name in tree if found == role]
        assert len(names) >= number and all(name.strip() for name in names), (role, names)
    assert ("heading", "Each method") in tree and any(role == "main" for role, _ in tree)
    assert any(role == "columnheader" and "Held-out" in name for role, name in tree)
    levels = browser.run("[...document.querySelectorAll('h1, h2, h3')].map(h => +h.tagName[1])")
    assert levels[0] == 1 and all(after - before <= 1 for before, after in pairwise(levels))
    assert browser.run("document.documentElement.lang") == "en" and browser.run("document.title")
