"""BM25 ranks each query's passage first in every language, with Java and without."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.runs import evaluate
from i3_pyserini.search.bm25 import search_bm25
from i3_pyserini.search.languages import Engine
from i3_pyserini.stock.java import find_java
from tests.languages.conftest import CODES, TEXTS

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


@pytest.mark.parametrize(("code", "noted"), [("de", None), ("ar", "ar"), ("th", "th")])
def test_undeclared_texts_in_another_script_are_noted(
    code: str,
    noted: str | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_bytes((TEXTS / f"{code}.jsonl").read_bytes())
    topics, run = tmp_path / "topics.tsv", tmp_path / "run.txt"
    topics.write_bytes((TEXTS / f"{code}.topics.tsv").read_bytes() + b"999\tLondon 2024 5\n")
    with suppress(I3Error):  # English rules may find nothing
        search_bm25(corpus, topics, output=run, engine="sqlite")
    said = capsys.readouterr().err
    assert (f"--language {noted}" in said) if noted else ("--language" not in said)
    search_bm25(corpus, topics, output=run, engine="sqlite", language=code, overwrite=True)
    assert "--language" not in capsys.readouterr().err


@pytest.mark.parametrize("code", ["zh", "ja"])
def test_english_rules_find_nothing(code: str, collection: Collection, tmp_path: Path) -> None:
    with pytest.raises(I3Error, match=r"finds nothing.*English"):
        ndcg(collection(code), tmp_path / "run.txt", "sqlite", "en")
