"""BM25 of a Lucene index beside the vectors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.encode.query_encoders import load_query_encoder
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.runs import read_run
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.serve.passages import Passages, Sources
from i3_pyserini.stock.java import find_java
from i3_pyserini.stock.lucene_bm25 import LuceneBm25

pytestmark = pytest.mark.skipif(find_java()[0] is None, reason="stock Pyserini needs Java")
TOPICS = {"1": "hot water", "2": "light egg", "3": "zebra", "4": '"a* (AND'}


@pytest.fixture(scope="module")
def lucene(
    collection: Path, tmp_path_factory: pytest.TempPathFactory, run_module: Callable[..., Any]
) -> Path:
    """`index`, and `run.txt` of `TOPICS`, by the command for BM25 runs."""
    folder = tmp_path_factory.mktemp("lucene")
    lines = [f"{qid}\t{text}\n" for qid, text in TOPICS.items()]
    (folder / "topics.tsv").write_text("".join(lines), encoding="utf-8")
    run_module(
        *("i3_pyserini", "bm25", "--corpus", collection / "corpus.jsonl"),
        *("--topics", folder / "topics.tsv", "--index", folder / "index"),
        *("--output", folder / "run.txt"),
        check=True,
    )
    return folder


@pytest.mark.slow
def test_the_page_has_the_run_s_hits(lucene: Path, collection: Path) -> None:
    searcher = Searcher(collection / "index", load_query_encoder(str(collection / "model")))
    sources = Sources(collection / "corpus.jsonl", bm25_index=lucene / "index")
    passages = Passages(searcher, sources)
    assert isinstance(passages.bm25, LuceneBm25)
    frame = read_run(lucene / "run.txt").frame
    assert set(frame["query_id"]) == {"1", "2"}
    for qid, text in TOPICS.items():
        (words,) = passages.search(text, 4, "words").columns
        hits = words.hits
        assert [hit.shown.docid for hit in hits] == frame[frame["query_id"] == qid][
            "doc_id"
        ].tolist()
        assert all(hit.score > 0 for hit in hits)
    passages.bm25._process.kill()
    with pytest.raises(I3Error, match="Pyserini has ended"):
        passages.search("hot water", 4, "words")


@pytest.mark.slow
def test_a_damaged_index(lucene: Path, tmp_path: Path) -> None:
    (tmp_path / "segments_1").write_text("no segments", encoding="utf-8")
    with pytest.raises(I3Error, match="Pyserini has ended"):
        LuceneBm25(tmp_path)
