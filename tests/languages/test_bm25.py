"""BM25 ranks each query's passage first in every language, with Java and without."""

from collections.abc import Callable
from pathlib import Path

import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.runs import evaluate
from i3_pyserini.search.bm25 import search_bm25
from i3_pyserini.search.languages import Engine
from i3_pyserini.stock.java import find_java
from tests.languages.conftest import CODES

needs_java = pytest.mark.skipif(find_java()[0] is None, reason="stock Pyserini needs Java")
Collection = Callable[[str], Path]


def ndcg(data: Path, run: Path, engine: Engine, language: str | None = None) -> float:
    corpus, topics = data / "corpus", data / "topics.test.tsv"
    search_bm25(corpus, topics, output=run, engine=engine, language=language)
    found = evaluate(data / "qrels.test.txt", [run], measures=["nDCG@10"])
    return float(found.sections[0].evaluations[0].means["nDCG@10"])


@pytest.mark.parametrize("code", CODES)
def test_without_java(code: str, collection: Collection, tmp_path: Path) -> None:
    assert ndcg(collection(code), tmp_path / "run.txt", "sqlite") == 1


@pytest.mark.slow
@needs_java
@pytest.mark.parametrize("code", CODES)
def test_with_lucene(code: str, collection: Collection, tmp_path: Path) -> None:
    assert ndcg(collection(code), tmp_path / "run.txt", "lucene") == 1


@pytest.mark.parametrize(("code", "most"), [("de", 0.8), ("ar", 0.9)])
def test_stems_make_the_difference(
    code: str, most: float, collection: Collection, tmp_path: Path
) -> None:
    assert ndcg(collection(code), tmp_path / "run.txt", "sqlite", "none") < most


@pytest.mark.parametrize("code", ["zh", "ja"])
def test_english_rules_find_nothing(code: str, collection: Collection, tmp_path: Path) -> None:
    with pytest.raises(I3Error, match=r"finds nothing.*English"):
        ndcg(collection(code), tmp_path / "run.txt", "sqlite", "en")
