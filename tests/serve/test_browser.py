"""The real command, in a real browser."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser import PHONE, needs_browser, open_browser
from tests.serve.conftest import SCRIPT, TEXTS

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = needs_browser
DARK = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}


@pytest.fixture(scope="module")
def address(collection: Path) -> Iterator[str]:
    """Of the real command, in a process of its own."""
    command = [sys.executable, "-m", "i3_pyserini", "serve", "--port", "0"]
    command += ["--index", str(collection / "index"), "--model", str(collection / "model")]
    command += ["--corpus", str(collection / "corpus.jsonl")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("http://127.0.0.1:"), line
    yield line.split()[0]
    process.terminate()
    process.wait(20)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator["Chrome"]:
    with open_browser(tmp_path / "profile") as chrome:
        yield chrome


def search(browser: "Chrome", address: str, query: str) -> list[str]:
    """Types a query, waits for all words, and returns them passage by passage."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(address)
    browser.find_element(By.ID, "q").send_keys(query)
    browser.find_element(By.CSS_SELECTOR, "button").click()

    def words(page: "Chrome") -> list[str]:
        found = [place.text for place in page.find_elements(By.CSS_SELECTOR, ".words")]
        return found if found and not any("…" in text for text in found) else []

    return WebDriverWait(browser, 60).until(words)


def screenshot(browser: "Chrome", name: str) -> None:
    """Keeps one to look at where $I3_SCREENSHOTS is a folder."""
    if folder := os.environ.get("I3_SCREENSHOTS"):
        browser.save_screenshot(str(Path(folder) / f"{name}.png"))


@pytest.mark.slow
def test_both_rankings_and_words(address: str, browser: "Chrome") -> None:
    from selenium.webdriver.common.by import By

    browser.set_window_size(1280, 900)
    words = search(browser, address, "egg hot water")
    screenshot(browser, "desk")
    assert len(words) > len(TEXTS)
    assert all(text.startswith("pseudo-query ") and len(text) > 20 for text in words)
    dense, sparse = browser.find_elements(By.CSS_SELECTOR, "section")
    assert dense.rect["y"] == sparse.rect["y"] and dense.rect["x"] < sparse.rect["x"]
    assert dense.accessible_name == "I³ (inner product)"
    assert browser.find_element(By.ID, "q").accessible_name == "Query"
    marked = browser.find_elements(By.CSS_SELECTOR, ".words mark")
    assert {mark.text for mark in marked} <= {"egg", "hot", "water"}
    browser.find_element(By.CSS_SELECTOR, "summary").click()
    assert "photosynthesis" in browser.find_element(By.CSS_SELECTOR, "details").text
    assert not [e for e in browser.get_log("browser") if "favicon" not in e["message"]]


def test_nothing_of_a_query_or_passage_runs(address: str, browser: "Chrome") -> None:
    from selenium.webdriver.common.by import By

    query = f"water \"'>{SCRIPT}<img src=x onerror=\"document.title='taken over'\">"
    search(browser, address, query)
    assert browser.title.startswith("water ")
    assert browser.find_element(By.ID, "q").get_attribute("value") == query
    assert not browser.find_elements(By.CSS_SELECTOR, "img, body script, main b b")
    assert SCRIPT in browser.find_element(By.ID, "sparse").text
    assert "Content Security Policy" not in str(browser.get_log("browser"))


def test_the_policy_stops_scripts_that_were_not_escaped(address: str, browser: "Chrome") -> None:
    browser.get(address)
    browser.execute_script(
        "const s = document.createElement('script'); s.textContent = arguments[0];"
        "document.body.append(s)",
        "document.title = 'taken over'",
    )
    assert browser.title == "I³ search"


@pytest.mark.slow
def test_on_a_phone_in_the_dark(address: str, browser: "Chrome") -> None:
    from selenium.webdriver.common.by import By

    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", DARK)
    search(browser, address, "egg hot water " + "x" * 300)
    screenshot(browser, "phone")
    width = "return document.documentElement.scrollWidth - window.innerWidth"
    assert browser.execute_script(width) <= 0
    dense, sparse = browser.find_elements(By.CSS_SELECTOR, "section")
    assert sparse.rect["y"] >= dense.rect["y"] + dense.rect["height"]
    browser.find_element(By.LINK_TEXT, "BM25").click()
    assert browser.execute_script("return window.scrollY") > 0
    colours = "const s = getComputedStyle(document.querySelector('mark')); return s.color"
    assert browser.execute_script(colours) == "rgb(255, 255, 255)"


def test_queries_that_are_too_long(address: str, browser: "Chrome") -> None:
    from selenium.webdriver.common.by import By

    browser.get(f"{address}?q={'x' * 1001}")
    assert "1,000 are allowed" in browser.find_element(By.CSS_SELECTOR, "[role=alert]").text
