import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i3_pyserini.formats.records import MANIFEST
from i3_pyserini.formats.runs import read_run
from i3_pyserini.search.bm25_index import index_beside
from i3_pyserini.stock.java import find_java, java_environment

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
        (path.parent.parent / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    index = index_beside(tmp_path / "runs" / "run.txt", path, "0123456789abcdef", "lucene")
    assert index == tmp_path / "runs" / name


def test_a_changed_corpus_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus, run = tmp_path / "faq.jsonl", tmp_path / "run.txt"
    old = index_beside(run, corpus, "0" * 64, "lucene")
    old.mkdir()
    (old / MANIFEST).write_text(json.dumps({"corpus": {"path": str(corpus)}}), encoding="utf-8")
    assert index_beside(run, corpus, "0" * 64, "lucene") == old
    assert index_beside(run, tmp_path / "other" / "faq.jsonl", "1" * 64, "lucene") != old
    assert capsys.readouterr().err == ""
    assert index_beside(run, corpus, "1" * 64, "lucene") != old
    assert capsys.readouterr().err.startswith(f"note: {corpus} has changed since {old}")


@pytest.mark.slow
@needs_java
def test_tuned_lucene_has_the_hits_of_the_stock_command(
    tmp_path: Path, run_module: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in java_environment().items():
        monkeypatch.setenv(name, value)
    random = np.random.default_rng(3)
    words = [f"word{chr(97 + n)}" for n in range(20)]
    texts = [" ".join(random.choice(words, random.integers(3, 60))) for _ in range(300)]
    passages = [{"id": f"d{n}", "text": text} for n, text in enumerate(texts)]
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps(passage) + "\n" for passage in passages), encoding="utf-8")
    queries = [" ".join(random.choice(words, 3)) for _ in range(30)]
    for name, some in (("dev", queries[:10]), ("test", queries[10:])):
        lines = [f"{name}{number}\t{text}\n" for number, text in enumerate(some)]
        (tmp_path / f"{name}.tsv").write_text("".join(lines), encoding="utf-8")
    longest = sorted(range(300), key=lambda n: -len(texts[n]))[:60]
    qrels = "".join(f"dev{q} 0 d{n} 1\n" for q in range(10) for n in longest)
    (tmp_path / "dev.txt").write_text(qrels, encoding="utf-8")
    done = run_module(
        *("i3_pyserini", "bm25", corpus, tmp_path / "test.tsv", "--output", tmp_path / "run.txt"),
        *("--index", tmp_path / "lucene", "--hits", 50, "--tune", tmp_path / "dev.txt"),
        *("--tune-topics", tmp_path / "dev.tsv", "--tune-output", tmp_path / "dev.run.txt"),
    )
    assert done.returncode == 0, done.stderr
    best = json.loads((tmp_path / "run.txt.bm25.json").read_text(encoding="utf-8"))["best"]
    assert (best["k1"], best["b"]) != (0.9, 0.4)
    for topics, ours in (("test.tsv", "run.txt"), ("dev.tsv", "dev.run.txt")):
        stock = run_module(
            "pyserini.search.lucene",
            *("--index", tmp_path / "lucene", "--topics", tmp_path / topics, "--hits", 50),
            *("--bm25", "--k1", best["k1"], "--b", best["b"], "--output", tmp_path / "stock.txt"),
        )
        assert stock.returncode == 0, stock.stderr
        expected, found = (read_run(tmp_path / name).frame for name in ("stock.txt", ours))
        for qid, rows in expected.groupby("query_id"):
            own = found[found["query_id"] == qid]
            assert own["doc_id"].tolist() == rows["doc_id"].tolist()
            assert own["score"].to_numpy() == pytest.approx(rows["score"].to_numpy(), abs=2e-6)


@pytest.mark.slow
@needs_java
def test_bm25(tmp_path: Path, run_module: Callable[..., Any]) -> None:
    passages = [
        {"id": "d1", "title": "Eggs", "text": "Boil them for nine minutes."},
        {"id": "d2", "title": "Plants", "text": "Photosynthesis turns light into sugar."},
        {"id": "d3", "text": "Minutes of a meeting."},
    ]
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps(passage) + "\n" for passage in passages), encoding="utf-8")
    (tmp_path / "topics.tsv").write_text(
        "007\teggs\nnone\tzebra\n7\tlight minutes\n", encoding="utf-8"
    )
    made = ("i3_pyserini", "bm25", "--corpus", corpus, "--index", tmp_path / "lucene")
    command = (*made, "--topics", tmp_path / "topics.tsv")
    done = run_module(*command, "--output", tmp_path / "run.txt")
    assert done.returncode == 0, done.stderr
    assert "queries without a hit" in done.stderr and "1 of " in done.stderr
    frame = read_run(tmp_path / "run.txt").frame
    hits = frame.groupby("query_id")["doc_id"].apply(set).to_dict()
    assert hits == {"007": {"d1"}, "7": {"d1", "d2", "d3"}}  # titles are searched, too
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "lucene").iterdir()}
    done = run_module(*command, "--output", tmp_path / "again.txt")
    assert done.returncode == 0, done.stderr
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "lucene").iterdir()}
    assert (tmp_path / "again.txt").read_text(encoding="utf-8") == (tmp_path / "run.txt").read_text(
        encoding="utf-8"
    )
    done = run_module(*made[:4], *command[6:], "--output", tmp_path / "named.txt")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "named.txt").read_text(encoding="utf-8") == (tmp_path / "run.txt").read_text(
        encoding="utf-8"
    )
    assert len(list(tmp_path.glob(f"lucene-{tmp_path.name}-*"))) == 1
    corpus.write_text(
        corpus.read_text(encoding="utf-8").replace("nine", "four"), encoding="utf-8"
    )  # of the same size
    for arguments, said in (
        (("--output", tmp_path / "more.txt"), "belongs to another corpus (sha256 is "),
        (("--output", tmp_path / "run.txt"), "exists; choose another name"),
        (("--output", tmp_path / "more.txt", "--b", 2), "b from 0 to 1"),
    ):
        done = run_module(*command, *arguments)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert said in done.stderr
    assert not (tmp_path / "more.txt").exists()
