"""The real command, in a real browser, at the widths of a phone and of a desk."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser import DESK, PHONE, SCREENS, needs_browser, open_browser, overflow, set_screen
from tests.serve.conftest import SCRIPT, TEXTS
from tests.serve.test_windows import MARKUP, place

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

__all__ = ["place"]
pytestmark = needs_browser
DARK = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
at_both_widths = pytest.mark.parametrize("screen", SCREENS, ids=["390", "1280"])


@contextmanager
def served(index: Path, model: Path) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """The address of the real command, two hits a list, and its process."""
    command = [sys.executable, "-m", "i3_pyserini", "serve", "--port", "0", "--hits", "2"]
    command += ["--index", str(index), "--model", str(model)]
    if (corpus := index.with_name("corpus.jsonl")).exists():
        command += ["--corpus", str(corpus)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("http://127.0.0.1:"), line
            yield line.split()[0], process
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def address(collection: Path) -> Iterator[str]:
    with served(collection / "index", collection / "model") as (where, _):
        yield where


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Chrome"]:
    with open_browser(tmp_path_factory.mktemp("browser") / "profile") as chrome:
        yield chrome


@pytest.fixture
def browser(chrome: "Chrome", address: str) -> "Chrome":
    """At the start page, at the width of a desk, without messages of former tests."""
    set_screen(chrome, DESK)
    chrome.get(address)
    chrome.get_log("browser")
    return chrome


def find(browser: "Chrome", selector: str) -> list["WebElement"]:
    """The elements that are seen."""
    from selenium.webdriver.common.by import By

    found = browser.find_elements(By.CSS_SELECTOR, selector)
    return [element for element in found if element.is_displayed()]


def within(element: "WebElement", selector: str) -> list["WebElement"]:
    """The elements in another one, seen or not."""
    from selenium.webdriver.common.by import By

    return element.find_elements(By.CSS_SELECTOR, selector)


def wait(browser: "Chrome", reached: Callable[[], object]) -> None:
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.support.ui import WebDriverWait

    ignored = [StaleElementReferenceException]
    WebDriverWait(browser, 60, 0.1, ignored_exceptions=ignored).until(lambda _: reached())


def search(browser: "Chrome", query: str) -> None:
    """Types a query and waits for its page."""
    (box,) = find(browser, "#q")
    box.clear()
    box.send_keys(query)
    find(browser, "form button")[0].click()
    wait(browser, lambda: browser.title.startswith(query[:12]) and find(browser, "#status"))


def hits(browser: "Chrome", ranking: str) -> int:
    return len(find(browser, f"#{ranking} li"))


def alone(browser: "Chrome", ranking: str) -> bool:
    """Whether the only ranking of the page is this one."""
    ids = "return [...document.querySelectorAll('section')].map(section => section.id)"
    return bool(browser.execute_script(ids) == [ranking])


def screenshot(browser: "Chrome", name: str) -> None:
    """Keeps one to look at where $I3_SCREENSHOTS is a folder."""
    if folder := os.environ.get("I3_SCREENSHOTS"):
        browser.save_screenshot(str(Path(folder) / f"{name}.png"))


@pytest.mark.slow
@at_both_widths
def test_examples_views_and_more(browser: "Chrome", screen: dict[str, object]) -> None:
    set_screen(browser, screen)
    assert overflow(browser) == 0
    find(browser, "a.example")[0].click()
    wait(browser, lambda: hits(browser, "vectors") == 2)
    beside = hits(browser, "words") > 0
    assert beside == (screen is DESK) and "q=" in browser.current_url
    assert len(find(browser, "nav a")) == (4 if screen is DESK else 3)
    search(browser, "egg hot water")
    for view in ("words", "fused", "vectors"):
        find(browser, f"nav .view-{view}")[0].click()
        wait(browser, partial(alone, browser, view))
        assert f"view={view}" in browser.current_url and hits(browser, view) == 2
        assert overflow(browser) == 0
    find(browser, "#more")[0].click()
    wait(browser, lambda: hits(browser, "vectors") == len(TEXTS))
    assert browser.switch_to.active_element.get_attribute("id") == "vectors-3"
    assert overflow(browser) == 0 and not find(browser, "#more")
    browser.back()
    wait(browser, lambda: hits(browser, "vectors") == 2)
    browser.back()
    wait(browser, lambda: hits(browser, "fused") == 2)
    assert find(browser, "#q")[0].get_attribute("value") == "egg hot water"
    browser.refresh()
    assert hits(browser, "fused") == 2
    assert not [e for e in browser.get_log("browser") if "favicon" not in e["message"]]


@pytest.mark.slow
def test_side_by_side(browser: "Chrome") -> None:
    search(browser, "egg hot water")
    screenshot(browser, "desk")
    vectors, words = find(browser, "section")
    assert vectors.rect["y"] == words.rect["y"] and vectors.rect["x"] < words.rect["x"]
    assert vectors.accessible_name == "Vectors"
    assert find(browser, "#q")[0].accessible_name == "Query"
    assert any("Vectors #" in element.text for element in find(browser, ".also"))
    search(browser, "zebra")
    assert "No passage has any of these words" in find(browser, "#words")[0].text


@pytest.mark.slow
@at_both_widths
def test_words_when_they_are_asked_for(browser: "Chrome", screen: dict[str, object]) -> None:
    set_screen(browser, screen)
    search(browser, "egg hot water")
    asked = "return performance.getEntriesByType('resource').filter(e => e.name.includes('/words'))"
    assert browser.execute_script(f"{asked}.length") == 0
    find(browser, "#vectors .words summary")[0].click()
    wait(browser, lambda: find(browser, "#vectors .words p span"))
    assert len(find(browser, ".words p > *")) > 3 and overflow(browser) == 0
    assert browser.execute_script(f"{asked}.length") == 1
    marked = {mark.text for mark in find(browser, ".words p mark")}
    assert marked <= {"egg", "hot", "water"}


@pytest.mark.slow
@at_both_widths
def test_nothing_of_a_query_or_passage_runs(browser: "Chrome", screen: dict[str, object]) -> None:
    set_screen(browser, screen)
    query = f"water \"'>{SCRIPT}<img src=x onerror=\"document.title='taken over'\">"
    search(browser, query)
    find(browser, "#more")[0].click()
    wait(browser, lambda: hits(browser, "vectors") == len(TEXTS))
    assert browser.title.startswith("water ")
    assert find(browser, "#q")[0].get_attribute("value") == query
    for whole in find(browser, ".whole summary"):
        whole.click()
    assert SCRIPT in find(browser, "#vectors")[0].text and overflow(browser) == 0
    assert not find(browser, "img, body script, main b b")
    assert browser.title.startswith("water ")
    assert "Content Security Policy" not in str(browser.get_log("browser"))


def test_the_policy_stops_scripts_that_were_not_escaped(browser: "Chrome") -> None:
    title = browser.title
    browser.execute_script(
        "const s = document.createElement('script'); s.textContent = arguments[0];"
        "document.body.append(s)",
        "document.title = 'taken over'",
    )
    assert browser.title == title != "taken over"


@pytest.mark.slow
def test_on_a_phone_in_the_dark(browser: "Chrome") -> None:
    set_screen(browser, PHONE)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", DARK)
    search(browser, "egg hot water " + "x" * 300)
    screenshot(browser, "phone")
    assert overflow(browser) == 0
    colours = "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]"
    ink, page = browser.execute_script(colours)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert browser.execute_script(colours) != [ink, page]
    sums = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ink, page)]
    assert sums[0] > 600 and sums[1] < 150


@pytest.mark.slow
def test_with_the_keyboard(browser: "Chrome") -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    def press(*keys: str) -> None:
        ActionChains(browser).send_keys(*keys).perform()

    find(browser, "#q")[0].click()
    press("egg hot water", Keys.ENTER)
    wait(browser, lambda: find(browser, "nav"))
    find(browser, "#q")[0].click()
    press(Keys.TAB, Keys.TAB, Keys.TAB, Keys.TAB, Keys.ENTER)  # button, side by side, vectors
    wait(
        browser, lambda: "view=words" in browser.current_url and len(find(browser, "section")) == 1
    )
    assert browser.switch_to.active_element.get_attribute("id") == "view-words"


def test_mistakes_are_said_in_a_line(browser: "Chrome", address: str) -> None:
    browser.get(f"{address}?q={'x' * 1001}")
    assert "1,000 are allowed" in find(browser, "[role=alert]")[0].text
    find(browser, "#q")[0].clear()
    find(browser, "form button")[0].click()
    wait(browser, lambda: "The query is empty" in find(browser, "[role=alert]")[0].text)
    find(browser, "a.example")[0].click()
    wait(browser, lambda: hits(browser, "vectors"))
    assert browser.execute_script("return document.getElementById('message').textContent") == ""


@pytest.mark.slow
def test_a_server_that_has_stopped(chrome: "Chrome", collection: Path) -> None:
    with served(collection / "index", collection / "model") as (where, process):
        chrome.get(where)
        search(chrome, "egg hot water")
        process.terminate()
        process.wait(20)
        find(chrome, "#more")[0].click()
        wait(chrome, lambda: "does not answer" in find(chrome, "#message")[0].text)
        assert hits(chrome, "vectors") == 2  # what was there is still there
        find(chrome, "#vectors .words summary")[0].click()
        wait(chrome, lambda: "does not answer" in find(chrome, "#vectors .words p")[0].text)


@pytest.mark.slow
def test_all_windows_of_a_document(chrome: "Chrome", place: Path, collection: Path) -> None:
    with served(place / "index", collection / "plain") as (where, _):
        for screen in SCREENS:
            set_screen(chrome, screen)
            chrome.get(f"{where}?q=egg&view=words&hits=100")
            hits_of = {within(one, ".id")[0].text: one for one in find(chrome, "#words li")}
            hit = hits_of["d0"]
            (windows,) = within(hit, "details.windows")
            assert windows.text == "All 250 windows"
            within(windows, "summary")[0].click()
            wait(chrome, lambda: len(within(windows, "p > *")) == 250)  # noqa: B023  (called now)
            lines = within(windows, "p")[0].text.splitlines()
            text = f"part 249 of 0 {MARKUP} egg"
            assert lines[-1] == f"250, characters {7139 - len(text):,} to 7,139: {text}"
            (best,) = within(windows, "b")
            number, places = best.text.strip(": ").split(", ")
            assert f"window {number} of 250, {places}" in hit.text
            assert not within(windows, "i") and overflow(chrome) == 0
