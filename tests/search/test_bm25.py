import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.formats.records import MANIFEST
from i3_pyserini.formats.runs import read_run
from i3_pyserini.search.bm25_index import index_beside
from i3_pyserini.stock.java import find_java

needs_java = pytest.mark.skipif(find_java()[0] is None, reason="stock Pyserini needs Java")


@pytest.mark.parametrize(
    ("corpus", "collection", "name"),
    [
        ("faq.jsonl.gz", None, "lucene-faq-01234567"),
        ("scifact/corpus.jsonl", None, "lucene-scifact-01234567"),
        ("mine/corpus", None, "lucene-mine-01234567"),
        ("mine/corpus/corpus.jsonl", "two words", "lucene-two_words-01234567"),
    ],
)
def test_an_index_is_named_after_its_corpus(
    corpus: str, collection: str | None, name: str, tmp_path: Path
) -> None:
    path = tmp_path / corpus
    (path.parent if path.suffix else path).mkdir(parents=True, exist_ok=True)
    if collection:
        manifest = {"collection": collection}
        (path.parent.parent / MANIFEST).write_text(json.dumps(manifest))
    index = index_beside(tmp_path / "runs" / "run.txt", path, "0123456789abcdef", "lucene")
    assert index == tmp_path / "runs" / name


def test_a_changed_corpus_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus, run = tmp_path / "faq.jsonl", tmp_path / "run.txt"
    old = index_beside(run, corpus, "0" * 64, "lucene")
    old.mkdir()
    (old / MANIFEST).write_text(json.dumps({"corpus": {"path": str(corpus)}}))
    assert index_beside(run, corpus, "0" * 64, "lucene") == old
    assert index_beside(run, tmp_path / "other" / "faq.jsonl", "1" * 64, "lucene") != old
    assert capsys.readouterr().err == ""
    assert index_beside(run, corpus, "1" * 64, "lucene") != old
    assert capsys.readouterr().err.startswith(f"note: {corpus} has changed since {old}")


@needs_java
def test_bm25(tmp_path: Path, run_module: Callable[..., Any]) -> None:
    passages = [
        {"id": "d1", "title": "Eggs", "text": "Boil them for nine minutes."},
        {"id": "d2", "title": "Plants", "text": "Photosynthesis turns light into sugar."},
        {"id": "d3", "text": "Minutes of a meeting."},
    ]
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps(passage) + "\n" for passage in passages))
    (tmp_path / "topics.tsv").write_text("007\teggs\nnone\tzebra\n7\tlight minutes\n")
    made = ("i3_pyserini", "bm25", "--corpus", corpus, "--index", tmp_path / "lucene")
    command = (*made, "--topics", tmp_path / "topics.tsv")
    done = run_module(*command, "--output", tmp_path / "run.txt")
    assert done.returncode == 0, done.stderr
    assert "note: 1 queries have no hit" in done.stderr
    frame = read_run(tmp_path / "run.txt").frame
    hits = frame.groupby("query_id")["doc_id"].apply(set).to_dict()
    assert hits == {"007": {"d1"}, "7": {"d1", "d2", "d3"}}  # titles are searched, too
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "lucene").iterdir()}
    done = run_module(*command, "--output", tmp_path / "again.txt")
    assert done.returncode == 0, done.stderr
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "lucene").iterdir()}
    assert (tmp_path / "again.txt").read_text() == (tmp_path / "run.txt").read_text()
    done = run_module(*made[:4], *command[6:], "--output", tmp_path / "named.txt")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "named.txt").read_text() == (tmp_path / "run.txt").read_text()
    assert len(list(tmp_path.glob(f"lucene-{tmp_path.name}-*"))) == 1
    corpus.write_text(corpus.read_text().replace("nine", "four"))  # of the same size
    for arguments, said in (
        (("--output", tmp_path / "more.txt"), "was made of something else (sha256 is "),
        (("--output", tmp_path / "run.txt"), "exists; choose another name"),
        (("--output", tmp_path / "more.txt", "--b", 2), "b from 0 to 1"),
    ):
        done = run_module(*command, *arguments)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert said in done.stderr
    assert not (tmp_path / "more.txt").exists()
