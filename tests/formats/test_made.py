"""The mark of made queries: written, read, carried on, and shown."""

import json
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.data import import_collection, make_queries, split_queries
from i3_pyserini.eval import diff_runs, evaluate, pool_qrels
from i3_pyserini.formats.folder_manifest import Manifest
from i3_pyserini.formats.made import Made, made_note, made_of
from i3_pyserini.search import fuse_runs, search_bm25


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Queries of 20 titles."""
    rows = [
        {"id": f"p{n}", "title": f"How to {verb} an egg", "text": f"Take water {n}."}
        for n, verb in enumerate("boil fry peel sell buy see hide lay eat draw".split() * 2)
    ]
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    make_queries(corpus, source="titles", output=tmp_path / "made", limit=15)  # 10 titles
    return tmp_path / "made"


def test_files_are_marked(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = made_of(made / "qrels.train.txt")
    assert mark == made_of(made / "topics.train.tsv") == made_of(made / "generated.tsv")
    assert mark is not None
    assert (mark.source, mark.passages, mark.queries, mark.model) == ("titles", 15, 10, None)
    assert made_of(made / "corpus" / "corpus.jsonl") is None
    monkeypatch.chdir(made)
    assert made_of(Path("qrels.train.txt")) == mark
    Path("link.txt").symlink_to("qrels.train.txt")
    assert made_of(Path("link.txt")) == mark


def test_a_manifest_that_cannot_be_read_marks_nothing(tmp_path: Path) -> None:
    qrels = tmp_path / "qrels.train.txt"
    qrels.write_text("q 0 p 1\n", encoding="utf-8")
    name = qrels.name
    for manifest in ("", "[1]", '{"files": 1}', f'{{"files": {{"{name}": {{"made": 3}}}}}}'):
        (tmp_path / "manifest.json").write_text(manifest, encoding="utf-8")
        assert made_of(qrels) is None
    assert made_of(tmp_path / "none" / "qrels.txt") is None
    assert made_note("beir") == made_note(None) == made_note(tmp_path) == []


def test_splits_and_imports_carry_it_on(made: Path, tmp_path: Path) -> None:
    mark = made_of(made / "qrels.train.txt")
    split_queries(made, output=tmp_path / "parts", count=3)
    for name in ("topics.dev.tsv", "qrels.dev.txt", "topics.train.tsv", "qrels.train.txt"):
        assert made_of(tmp_path / "parts" / name) == mark
    (tmp_path / "asked.tsv").write_text("q1\twhat is an egg\n", encoding="utf-8")
    import_collection(
        str(made / "corpus" / "corpus.jsonl"),
        topics={"made": made / "topics.train.tsv", "asked": tmp_path / "asked.tsv"},
        qrels={"made": made / "qrels.train.txt"},
        output=tmp_path / "files",
    )
    import_collection(str(tmp_path / "files"), output=tmp_path / "again")
    files = Manifest.load(tmp_path / "again").files
    marks = {name for name, record in files.items() if record.made == mark}
    assert marks == {"topics.made.tsv", "qrels.made.txt"}


def test_evaluations_say_it(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (made / "qrels.train.txt").read_text(encoding="utf-8").splitlines()
    for run in ("a", "b"):
        rows = (f"{line.split()[0]} Q0 {line.split()[2]} 1 1.0 {run}\n" for line in lines)
        (tmp_path / f"{run}.txt").write_text("".join(rows), encoding="utf-8")
    found = evaluate(made / "qrels.train.txt", tmp_path / "a.txt")
    assert "made from titles, not collected from people" in capsys.readouterr().err
    assert "made from titles" in found.to_json()
    runs = (tmp_path / "a.txt", tmp_path / "b.txt")
    diff = diff_runs(made / "qrels.train.txt", *runs, topics=made / "topics.train.tsv")
    assert "made from titles" in str(diff)
    other = tmp_path / "qrels.txt"
    (made / "qrels.train.txt").rename(other)
    assert evaluate(other, tmp_path / "a.txt").notes == []


def test_a_pool_carries_it_on_and_tuning_says_it(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    qrels, pool = made / "qrels.train.txt", tmp_path / "pool.csv"
    pool.write_text("query_id,doc_id,relevance\nq1,p1,1\n", encoding="utf-8")
    for name, before in (("both", qrels), ("own", None)):
        pool_qrels(pool, output=tmp_path / name / "qrels.txt", qrels=before)
    assert made_of(tmp_path / "both" / "qrels.txt") == made_of(qrels)
    assert made_of(tmp_path / "own" / "qrels.txt") is None
    corpus, topics, dev = tmp_path / "corpus.jsonl", tmp_path / "t.tsv", made / "topics.train.tsv"
    topics.write_text("q1\ttake water\n", encoding="utf-8")
    run: dict[str, Any] = {"engine": "sqlite", "output": tmp_path / "run.txt", "overwrite": True}
    search_bm25(corpus, topics, **run)
    assert "made from titles" not in capsys.readouterr().err
    search_bm25(corpus, topics, **run, tune=qrels, tune_topics=dev)
    assert "made from titles" in capsys.readouterr().err
    for name, asked in (("a", topics), ("b", topics), ("dev-a", dev), ("dev-b", dev)):
        search_bm25(corpus, asked, engine="sqlite", output=tmp_path / f"{name}.txt")
    runs, devs = ([tmp_path / f"{start}{one}.txt" for one in "ab"] for start in ("", "dev-"))
    fuse_runs(runs, output=tmp_path / "fused.txt", tune=qrels, tune_runs=devs)
    assert "made from titles" in capsys.readouterr().err


def test_words_name_the_model_and_its_host() -> None:
    mark = Made(source="llm", model="m-7b", host="localhost:8000", round_trip="bm25, first 3")
    assert str(mark) == "made by m-7b at localhost:8000, kept by bm25, first 3"
