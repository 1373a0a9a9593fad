"""A real browser for pages, where there is one."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

needs_browser = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="needs a browser: apt install chromium chromium-driver",
)
FLAGS = (
    "headless=new no-sandbox disable-gpu disable-background-networking disable-component-update "
    "disable-sync no-first-run disable-quic disable-dev-shm-usage"
).split()
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}


@contextmanager
def open_browser(profile: Path) -> Iterator["Chrome"]:
    """Starts Chromium without a window; downloads go beside the profile."""
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    options = ChromeOptions()
    for flag in FLAGS:
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={profile}")
    options.binary_location = str(shutil.which("chromium"))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    downloads = {"download.default_directory": str(profile.with_name("downloads"))}
    options.add_experimental_option("prefs", downloads)
    chrome = Chrome(options, ChromeService(shutil.which("chromedriver")))
    try:
        yield chrome
    finally:
        chrome.quit()
