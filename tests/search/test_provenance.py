"""Commands that write a run record what made it; those that read runs say what differs."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.encode import encode_corpus
from i3_pyserini.errors import I3Error
from i3_pyserini.eval import diff_runs, evaluate
from i3_pyserini.formats.atomic import file_hash
from i3_pyserini.formats.corpus_options import CorpusOptions
from i3_pyserini.formats.metadata_files import as_yaml, beside
from i3_pyserini.formats.run_facts import public
from i3_pyserini.formats.run_metadata import RunMetadata
from i3_pyserini.formats.runs import read_run
from i3_pyserini.search import fuse_runs, rerank_run, search_bm25, search_topics
from i3_pyserini.search.options import Feedback
from i3_pyserini.search.run_documents import rank_documents
from tests.conftest import Run
from tests.search.conftest import PASSAGES, QUERIES


def of(run: Path) -> RunMetadata:
    found = read_run(run).metadata
    assert found is not None and found.run is not None
    assert found.run.sha256 == hashlib.sha256(run.read_bytes()).hexdigest()
    return found


@pytest.fixture
def runs(place: Path, tmp_path: Path) -> Path:
    """A folder with dense.txt, bm25.txt, fused.txt, and qrels."""
    corpus, topics = place / "corpus.jsonl", place / "topics.tsv"
    search_topics(place / "index", topics, output=tmp_path / "dense.txt", hits=20)
    search_bm25(corpus, topics, output=tmp_path / "bm25.txt", engine="sqlite", hits=20, b=0.5)
    given = [tmp_path / "bm25.txt", tmp_path / "dense.txt"]
    fuse_runs(given, output=tmp_path / "fused.txt", weights=[1, 2], k=10)
    (tmp_path / "qrels.txt").write_text(
        "".join(f"q{n} 0 d{n} 1\n" for n in range(QUERIES)), encoding="utf-8"
    )
    return tmp_path


def changed(run: Path, **collection: object) -> Path:
    """The run's metadata, with other values of its collection."""
    known = of(run)
    assert known.data is not None
    found = replace(known.collection, **collection)  # type: ignore[arg-type]
    data = replace(known.data, test_collection=found)
    beside(run).write_text(as_yaml(replace(known, data=data)), encoding="utf-8")
    return run


def test_every_writer(place: Path, runs: Path) -> None:
    dense, bm25, fused = (of(runs / f"{name}.txt") for name in ("dense", "bm25", "fused"))
    corpus = file_hash(place / "corpus.jsonl")
    for one in (dense, bm25, fused):
        searched = one.collection
        assert (searched.sha256, searched.passages, searched.queries) == (corpus, PASSAGES, QUERIES)
        assert searched.topics == "topics.tsv"
        lines = (place / "topics.tsv").read_text(encoding="utf-8").splitlines()
        stripped = "".join(f"{line.strip()}\n" for line in lines)
        assert searched.topics_sha256 == hashlib.sha256(stripped.encode()).hexdigest()
        assert one.implementation is not None and one.implementation["executable"]["cmd"]
    (stage,) = dense.stages
    manifest = json.loads((place / "index" / "manifest.json").read_text(encoding="utf-8"))
    assert stage["model"]["fingerprint"] == manifest["model"]["fingerprint"]
    assert stage["hits"] == 20 and stage["index"]["type"] == "flat"
    assert stage["index"]["manifest.json sha256"] == file_hash(place / "index" / "manifest.json")
    (stage,) = bm25.stages
    assert (stage["method"], stage["k1"], stage["b"]) == ("BM25", 0.9, 0.5)
    first, second, last = fused.stages
    assert last["interpolates"] == [first["name"], second["name"]]
    assert (last["method"], last["k"], last["weight"]) == ("rrf", 10, [1, 2])
    assert fused.inputs is not None
    assert [one.metadata for one in fused.inputs] == [bm25, dense]
    assert [one.sha256 for one in fused.inputs] == [
        file_hash(runs / name) for name in ("bm25.txt", "dense.txt")
    ]


def test_options_of_a_search(place: Path, tmp_path: Path, run_module: Run) -> None:
    run = tmp_path / "run.tsv"
    words = ("--index", place / "index", "--topics", place / "topics.tsv", "--output", run)
    more = ("--prf-depth", 3, "--remove-query", "--output-format", "msmarco", "--hits", 5)
    run_module("i3_pyserini.search", *words, *more, check=True)
    (stage,) = of(run).stages
    assert stage["feedback"] == {"prf_depth": 3, "prf_method": "avg"} and stage["remove query"]
    search_topics(
        place / "index",
        place / "topics.tsv",
        output=tmp_path / "rocchio.txt",
        feedback=Feedback(prf_depth=3, prf_method="rocchio"),
    )
    (stage,) = of(tmp_path / "rocchio.txt").stages
    assert stage["feedback"]["rocchio_alpha"] == 0.9 and "remove query" not in stage


def test_reranking(place: Path, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus, topics = place / "corpus.jsonl", place / "topics.tsv"
    options: dict[str, Any] = {"model": place / "model", "exact": True, "depth": 3}
    rerank_run(runs / "bm25.txt", topics, corpus, output=runs / "a.txt", **options)
    assert "searched" not in capsys.readouterr().err
    found = of(runs / "a.txt")
    first, last = found.stages
    assert (last["reranks"], last["depth"]) == (first["name"], 3) and found.inputs is not None
    assert found.collection == of(runs / "bm25.txt").collection
    changed(runs / "bm25.txt", name="others", sha256="0" * 64)
    rerank_run(runs / "bm25.txt", topics, corpus, output=runs / "b.txt", **options)
    assert "bm25.txt searched others" in capsys.readouterr().err
    (runs / "topics.tsv").write_text(
        topics.read_text(encoding="utf-8") + "q99\tmore\n", encoding="utf-8"
    )
    options["output"] = runs / "c.txt"
    rerank_run(runs / "dense.txt", runs / "topics.tsv", corpus, **options)
    assert f"topics.tsv ({QUERIES} queries)" in capsys.readouterr().err


def test_documents_of_a_run_of_windows(tmp_path: Path) -> None:
    (tmp_path / "windows.txt").write_text("q Q0 a#0 1 2 t\nq Q0 a#1 2 1 t\n", encoding="utf-8")
    rank_documents(tmp_path / "windows.txt", output=tmp_path / "a.txt")
    first, last = of(tmp_path / "a.txt").stages
    assert last["reranks"] == first["name"] == "windows.txt"
    (tmp_path / "qrels.txt").write_text("q 0 a 1\n", encoding="utf-8")
    found = evaluate(tmp_path / "qrels.txt", [tmp_path / "a.txt"])
    assert "best windows, of windows.txt; i3_pyserini" in str(found)


def test_eval_shows_it(runs: Path, run_module: Run) -> None:
    given = (runs / "qrels.txt", runs / "bm25.txt", runs / "dense.txt", "--measures", "RR@10")
    done = run_module("i3_pyserini", "eval", *given, check=True)
    assert f"({PASSAGES} passages)" in done.stdout.splitlines()[0]
    assert f"topics: topics.tsv ({QUERIES} queries)" in done.stdout
    assert "bm25.txt: BM25, k1 0.9, b 0.5" in done.stdout and "dense.txt: " in done.stdout
    full = run_module("i3_pyserini", "eval", *given, "--provenance", check=True).stdout
    assert file_hash(runs / "bm25.txt") in full and "  schema-version: 0.1" in full
    found = json.loads(run_module("i3_pyserini", "eval", *given, "--json", check=True).stdout)
    assert found["provenance"]["bm25.txt"]["method"]["retrieval"][0]["b"] == 0.5
    for style in ("--markdown", "--latex"):
        shown = run_module("i3_pyserini", "eval", *given, style, check=True).stdout
        assert "BM25, k1 0.9" in shown
    csv = run_module("i3_pyserini", "eval", *given, "--csv", check=True).stdout
    assert len(csv.splitlines()) == 3
    beside(runs / "bm25.txt").unlink()
    done = run_module("i3_pyserini", "eval", *given, check=True)
    assert "bm25.txt: no provenance" in done.stdout
    beside(runs / "dense.txt").unlink()
    assert "provenance" not in run_module("i3_pyserini", "eval", *given, check=True).stdout


def test_another_collection(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def told(**options: Any) -> str:
        found = evaluate(runs / "qrels.txt", [runs / "bm25.txt", runs / "dense.txt"], **options)
        capsys.readouterr()
        return " ".join(found.notes)

    assert "searched" not in told()
    changed(runs / "bm25.txt", name="letters")
    (runs / "manifest.json").write_text(
        json.dumps({"dataset": "l", "collection": "letters"}), encoding="utf-8"
    )
    assert "searched" not in told()
    (runs / "manifest.json").write_text(
        json.dumps({"dataset": "l", "collection": "digits"}), encoding="utf-8"
    )
    assert "bm25.txt searched letters" in told() and "is of digits" in told()
    (runs / "manifest.json").unlink()
    changed(runs / "bm25.txt", sha256="0" * 64)
    both = [runs / "bm25.txt", runs / "dense.txt"]
    assert "bm25.txt searched letters (60 passages), sha256 00000000, dense.txt" in told()
    assert evaluate(runs / "qrels.txt", both).collection is None
    found = diff_runs(runs / "qrels.txt", *both, topics={"q0": "x"})
    assert any("searched letters" in one for one in found.found.notes)
    made = json.loads(found.to_json())["provenance"]
    assert made["dense.txt"] == of(runs / "dense.txt").to_json()
    # windows of the same documents
    dense = of(runs / "dense.txt").collection
    changed(runs / "bm25.txt", chunks={"by": "tokens", "sha256": dense.sha256})
    assert "searched" not in told()


def test_fields_of_the_same_corpus(place: Path, runs: Path) -> None:
    words = {"engine": "sqlite", "corpus_options": CorpusOptions(title_field="text")}
    other = runs / "other.txt"
    search_bm25(place / "corpus.jsonl", place / "topics.tsv", output=other, **words)  # type: ignore[arg-type]
    assert of(other).collection.sha256 == file_hash(place / "corpus.jsonl")
    assert "searched" not in " ".join(
        evaluate(runs / "qrels.txt", [other, runs / "bm25.txt"]).notes
    )


def test_other_topics(runs: Path) -> None:
    changed(runs / "bm25.txt", topics="other.tsv", topics_sha256="0" * 64)
    found = evaluate(runs / "qrels.txt", [runs / "bm25.txt", runs / "dense.txt"])
    assert any("other.tsv" in one and "topics.tsv" in one for one in found.notes)
    assert found.made.topics is None


def test_both_collections_of_ms_marco(runs: Path) -> None:
    changed(runs / "bm25.txt", name="msmarco-passage-official")
    changed(runs / "dense.txt", name="msmarco-passage-titled", sha256="1" * 64)
    both = [runs / "bm25.txt", runs / "dense.txt"]
    with pytest.raises(I3Error, match=r"bm25\.txt searched msmarco-passage-official, dense\.txt"):
        fuse_runs(both, output=runs / "again.txt")
    assert any("msmarco-passage-titled" in one for one in evaluate(runs / "qrels.txt", both).notes)


def test_a_part_of_ms_marco(runs: Path) -> None:
    run = changed(runs / "bm25.txt", name="pool")
    notes = evaluate(runs / "qrels.txt", [run], measures=["msmarco-passage-dev"]).notes
    assert any(one.startswith(f"pool ({PASSAGES} passages) is a part") for one in notes)
    beside(run).unlink()
    notes = evaluate(runs / "qrels.txt", [run], measures=["msmarco-passage-dev"]).notes
    assert any("unknown" in one for one in notes)


def test_an_index_that_was_encoded_again(
    place: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = runs / "corpus.jsonl"
    lines = (place / "corpus.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    for number, name in ((60, "a"), (50, "b")):
        corpus.write_text("".join(lines[:number]), encoding="utf-8")
        encode_corpus(corpus, model=place / "model", output=runs / "index", overwrite=True)
        search_topics(runs / "index", place / "topics.tsv", output=runs / f"{name}.txt")
    capsys.readouterr()
    fuse_runs([runs / "a.txt", runs / "b.txt"], output=runs / "ab.txt")
    told = capsys.readouterr().err
    assert "(60 passages)" in told and "(50 passages)" in told and "name the index" in told


def test_weights_tuned_on_another_method(
    place: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dev = "".join(
        f"v{line[1:]}"
        for line in (place / "topics.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
    )
    (runs / "dev.tsv").write_text(dev, encoding="utf-8")
    (runs / "dev.txt").write_text(
        "".join(f"v{n} 0 d{n} 1\n" for n in range(QUERIES)), encoding="utf-8"
    )
    search_topics(place / "index", runs / "dev.tsv", output=runs / "dev.dense.txt", hits=20)
    given = [runs / "bm25.txt", runs / "dense.txt"]
    for b, said in ((0.5, False), (0.4, True)):
        of_dev = runs / f"dev.bm25.{b}.txt"
        search_bm25(
            place / "corpus.jsonl", runs / "dev.tsv", output=of_dev, engine="sqlite", hits=20, b=b
        )
        capsys.readouterr()
        fuse_runs(
            given,
            output=runs / f"tuned.{b}.txt",
            tune=runs / "dev.txt",
            tune_runs=[of_dev, runs / "dev.dense.txt"],
        )
        assert ("bm25.txt was made with b 0.5" in capsys.readouterr().err) == said
    assert of(runs / "tuned.0.4.txt").stages[-1]["tuned"]["queries"] == QUERIES


@pytest.mark.slow
def test_a_report_carries_it(runs: Path) -> None:
    from i3_pyserini.eval import write_report

    run = runs / "bm25.txt"
    known = of(run)
    stage = {**known.stages[0], "note": "</script><b>&"}
    assert known.method is not None
    method = replace(known.method, retrieval=(stage,))
    beside(run).write_text(as_yaml(replace(known, method=method)), encoding="utf-8")
    made = write_report(runs / "qrels.txt", [run, runs / "dense.txt"], output=runs / "page.html")
    page = made.path.read_text(encoding="utf-8")
    _, _, rest = page.partition('<script type="application/json" id="provenance">')
    found = json.loads(rest.partition("</script>")[0])
    first, _ = found.values()
    assert first["method"]["retrieval"][0]["note"] == "</script><b>&"
    assert first["run"]["sha256"] == file_hash(run)
    assert f"({PASSAGES} passages)" in page and "BM25, k1 0.9, b 0.5" in page
    assert str(runs) not in page


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"cmd": "x /home/me/a/b.txt --out=/home/me/c/d"}, {"cmd": "x a/b.txt --out=c/d"}),
        ({"cmd": "x '/home/My Name/a b/c.txt' y"}, {"cmd": "x 'a b/c.txt' y"}),
        ({"cmd": "x '--out=/home/My Name/b/c d'"}, {"cmd": "x '--out=b/c d'"}),
        ({"cmd": "x '/home/me/a/b' w=/home/me/a/b \"open"}, {"cmd": "x 'a/b' w=a/b \"open"}),
        ({"cmd": "x web=/home/me=you/b/c"}, {"cmd": "x web=b/c"}),
        ({"cmd": ["x", "/home/me/b"]}, {"cmd": ["x", "me/b"]}),
        ({"source": "/home/My Name/a/b c.jsonl", "n": 1}, {"source": "a/b c.jsonl", "n": 1}),
        (["milvus:/home/me/a/b.db", "file:///home/me/a/b"], ["milvus:a/b.db", "file://a/b"]),
        ("see /home/me/a/b and c/d/e", "see a/b and c/d/e"),
        ("http://host:1/a/b/c or a/b/c", "http://host:1/a/b/c or a/b/c"),
    ],
)
def test_private_folders(given: Any, shown: Any) -> None:
    assert public(given) == shown
