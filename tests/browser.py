"""A real browser for pages, where there is one."""

import base64
import io
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
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
DESK = {"width": 1280, "height": 800, "deviceScaleFactor": 1, "mobile": False}
SCREENS = (PHONE, DESK)
COLOURS = 256  # of a picture: text and flat areas need few


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


def set_screen(browser: "Chrome", screen: Mapping[str, object]) -> None:
    """Shows pages as on one of `SCREENS`."""
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", dict(screen))


def overflow(browser: "Chrome") -> int:
    """Pixels by which a page is wider than the screen; 0 if there is no sideways scrolling."""
    # Not innerWidth: a phone zooms out until the page fits.
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    return max(0, int(browser.execute_script(f"return {width}")))


def picture(
    browser: "Chrome", address: str, screen: Mapping[str, object], to: Path, height: int
) -> None:
    """Shows a page on a screen and writes a picture of it.

    Raises:
        SystemExit: the page is wider than the screen.
    """
    set_screen(browser, screen)
    browser.get(address)
    if wide := overflow(browser):
        raise SystemExit(f"{to.name}: {wide} pixels are beyond the screen")
    photograph(browser, to, height)
    print(f"wrote {to}")


@contextmanager
def served(index: Path, folder: Path | None = None, *more: str) -> Iterator[str]:
    """The address of `i3-pyserini serve` for an index.

    Args:
        index: a directory.
        folder: where the server is started.
        *more: arguments behind the index.
    """
    command = [sys.executable, "-m", "i3_pyserini", "serve", str(index), *more, "--port", "0"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, encoding="utf-8", cwd=folder) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[0]
        finally:
            process.terminate()


def photograph(browser: "Chrome", picture: Path, height: int | None = None) -> None:
    """Writes what the browser shows as a small PNG, such as docs/images/report-390.png.

    Args:
        browser: it shows the page, after `set_screen`.
        picture: the file; replaced.
        height: pixels from the start of the page; None for what is visible, scrolled as it is.
    """
    from PIL import Image

    how: dict[str, object] = {"format": "png"}
    if height is not None:
        width = browser.execute_script("return window.innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        how |= {"clip": clip, "captureBeyondViewport": True}
    data = browser.execute_cdp_cmd("Page.captureScreenshot", how)["data"]
    image = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
    picture.parent.mkdir(parents=True, exist_ok=True)
    image.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
        picture, optimize=True
    )
