"""`python -m i3_pyserini.search`, as a user runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i3_pyserini.formats.encoded_queries import QUERIES, queries_as_bytes
from i3_pyserini.formats.index import EncoderRecord
from i3_pyserini.search.job import tag_of
from i3_pyserini.search.options import Feedback
from i3_pyserini.search.topics import search_topics
from i3_pyserini.stock.java import find_java, java_environment
from tests.conftest import Run
from tests.search.conftest import PASSAGES
from tests.search.conftest import QUERIES as TOPICS

SEARCH = "i3_pyserini.search"


@pytest.fixture
def search(place: Path, tmp_path: Path, run_module: Run) -> Callable[..., tuple[int, str]]:
    """Runs the command; returns its exit code and the one line on stderr, or the run."""

    def run(*args: object, topics: Path | str = place / "topics.tsv") -> tuple[int, str]:
        output = tmp_path / "run.txt"
        done = run_module(SEARCH, "--topics", topics, "--output", output, *args)
        if done.returncode:
            assert not output.exists(), "a run file was left behind"
            assert len(done.stderr.splitlines()) == 1, done.stderr
            return done.returncode, done.stderr
        text = output.read_text(encoding="utf-8")
        output.unlink()
        return 0, text

    return run


def test_a_function_and_two_commands(place: Path, tmp_path: Path, run_module: Run) -> None:
    index, topics, model = place / "index", place / "topics.tsv", place / "model"
    names = [tmp_path / name for name in ("drop-in.txt", "ours.txt", "function.txt")]
    more = ("--hits", 5, "--prf-depth", 2, "--remove-query", "--output")
    old = ("--index", index, "--topics", topics, "--encoder", model)
    assert "queries, " in run_module(SEARCH, *old, *more, names[0], check=True).stdout
    new = ("search", index, topics, "--model", model)
    assert "queries, " in run_module("i3_pyserini", *new, *more, names[1], check=True).stdout
    feedback = Feedback(prf_depth=2)
    run = search_topics(
        index, topics, output=names[2], model=model, hits=5, feedback=feedback, remove_query=True
    )
    lines = [line.split() for line in names[2].read_text(encoding="utf-8").splitlines()]
    expected = [(qid, docid, float(score)) for qid, _, docid, _, score, _ in lines]
    assert list(run.to_pandas().itertuples(index=False, name=None)) == expected
    assert (run.queries, len(expected)) == (TOPICS, TOPICS * 5)
    assert len({name.read_text(encoding="utf-8") for name in names}) == 1


def ranking(text: str) -> list[tuple[str, str, float]]:
    rows = [line.split() for line in text.splitlines()]
    return [(row[0], row[2], float(row[4])) for row in rows]


def test_the_words_of_stock_search_give_the_same_hits(place: Path, search: Any) -> None:
    """Its encoder is the folder of the query encoder, with a class and flags."""
    own = ("--index", place / "index")
    stock = (*own, "--encoder", place / "model" / "query_encoder", "--encoder-class", "auto")
    assert search(*stock) == search(*stock, "--pooling", "cls") == search(*own)
    code, said = search(*stock, "--pooling", "mean")
    assert code == 2 and "contradicts the manifest" in said


@pytest.mark.slow
@pytest.mark.skipif(find_java()[0] is None, reason="stock Pyserini needs Java")
def test_hits_are_those_of_stock_search(
    place: Path, tmp_path: Path, run_module: Run, search: Any
) -> None:
    code, text = search("--index", place / "index", "--hits", 20)
    assert code == 0
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pyserini.search.faiss", "--index", place / "index"),
            *("--topics", place / "topics.tsv", "--encoder", place / "model" / "query_encoder"),
            *("--encoder-class", "auto", "--hits", "20", "--output", tmp_path / "stock.txt"),
        ],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, **java_environment(), "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    ours, stock = ranking(text), ranking((tmp_path / "stock.txt").read_text(encoding="utf-8"))
    assert [row[0] for row in ours] == [row[0] for row in stock]
    scores = np.array([row[2] for row in ours])
    np.testing.assert_allclose(scores, [row[2] for row in stock], atol=1e-5)
    # Passages that occur twice are equal, and then by docid, descending; all else is stock's.
    for ours_row, stock_row in zip(ours, stock, strict=True):
        if ours_row[1] != stock_row[1]:
            assert abs(ours_row[2] - stock_row[2]) < 1e-5


def test_a_run(place: Path, search: Any) -> None:
    code, text = search("--index", place / "index")
    assert code == 0
    rows = ranking(text)
    assert len(rows) == TOPICS * PASSAGES  # 1,000 hits, or all of a smaller index
    for qid in {row[0] for row in rows}:
        scores = np.array([row[2] for row in rows if row[0] == qid], dtype=np.float32)
        assert (np.diff(scores) < 0).all()
    assert {line.split()[5] for line in text.splitlines()} == {f"{place.name}-model"}
    code, other = search(
        *("--index", place / "index", "--batch-size", 2, "--threads", 1, "--hits", PASSAGES + 9)
    )
    again = [row[2] for row in ranking(other)]
    np.testing.assert_allclose(again, [row[2] for row in rows], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("/models/all-MiniLM-L6-v2", "all-MiniLM-L6-v2"),
        ("owner/name", "name"),
        ("/cache/models--owner--name/snapshots/0123abcd", "name"),
        ("/my models/of today/", "of_today"),
        ("/runs/mine/best", "mine"),
        ("/runs/mine/last", "mine-last"),
        ("/site-packages/minilm/model", "minilm-model"),
    ],
)
def test_a_tag_is_the_model_s_name(name: str, tag: str) -> None:
    assert tag_of(name) == tag


def test_encoded_queries(place: Path, tmp_path: Path, run_module: Run, search: Any) -> None:
    run_module(
        "i3_pyserini",
        "encode-topics",
        *("--topics", place / "topics.tsv", "--model", place / "model"),
        *("--output", tmp_path / "queries"),
        check=True,
    )
    _, fresh = search("--index", place / "index")
    code, text = search("--index", place / "index", "--encoded-queries", tmp_path / "queries")
    assert code == 0
    found = {(qid, docid) for qid, docid, _ in ranking(text)}
    assert found == {(qid, docid) for qid, docid, _ in ranking(fresh)}
    path = tmp_path / "queries" / QUERIES
    topics = {f"q{n}": "" for n in range(TOPICS)}
    path.write_bytes(queries_as_bytes(topics, np.full((TOPICS, 32), np.nan, np.float32)))
    arguments = ("--index", place / "index", "--encoded-queries", tmp_path / "queries")
    assert "its vector is not finite" in search(*arguments)[1]
    path.write_bytes(
        queries_as_bytes(
            topics, np.ones((TOPICS, 32), np.float32), EncoderRecord(fingerprint="another")
        )
    )
    assert "encoded by another model" in search(*arguments)[1]


def test_topics_as_json_lines(place: Path, tmp_path: Path, search: Any) -> None:
    lines = [
        line.split("\t") for line in (place / "topics.tsv").read_text(encoding="utf-8").splitlines()
    ]
    path = tmp_path / "topics.jsonl"
    path.write_text(
        "".join(json.dumps({"_id": q, "text": text}) + "\n" for q, text in lines), encoding="utf-8"
    )
    tsv = search("--index", place / "index", "--hits", 5)
    assert search("--index", place / "index", "--hits", 5, topics=path) == tsv
    path.write_text('{"_id": "1"}\n', encoding="utf-8")
    code, said = search("--index", place / "index", topics=path)
    assert code == 2 and "topics.jsonl, line 1: " in said


def test_results(place: Path, tmp_path: Path, search: Any) -> None:
    (tmp_path / "topics.tsv").write_text("d3\tboil an egg\n", encoding="utf-8")
    topics = tmp_path / "topics.tsv"
    arguments = ("--index", place / "index", "--output-format", "msmarco")
    _, text = search(*arguments, topics=topics)
    assert len(text.splitlines()) == PASSAGES
    _, text = search(*arguments, "--remove-query", topics=topics)
    rows = [line.split("\t") for line in text.splitlines()]
    assert "d3" not in [row[1] for row in rows]
    assert [row[2] for row in rows] == [str(rank) for rank in range(1, PASSAGES)]
    passage = ("--max-passage", "--max-passage-delimiter", "1", "--max-passage-hits", 3)
    _, text = search(*arguments, *passage, topics=topics)
    documents = [line.split("\t")[1] for line in text.splitlines()]
    assert len(set(documents)) == 3 and not any("1" in document for document in documents)


def test_feedback_changes_the_ranking(place: Path, search: Any) -> None:
    plain = search("--index", place / "index")[1]
    feedback = ("--prf-depth", 3, "--prf-method", "rocchio", "--rocchio-topk", 2)
    code, text = search("--index", place / "index", *feedback)
    assert code == 0 and len(text.splitlines()) == len(plain.splitlines()) and text != plain


def test_mistakes(place: Path, tmp_path: Path, minilm: str, search: Any) -> None:
    index, empty, bad = place / "index", tmp_path / "empty.tsv", tmp_path / "bad.tsv"
    empty.write_text("", encoding="utf-8")
    blank = tmp_path / "blank.tsv"
    blank.write_text("a b\tboil an egg\n", encoding="utf-8")
    bad.write_text("1\tone\nno tab\n", encoding="utf-8")
    for arguments, topics, said in (
        (("--index", index, "--hits", 0), None, "hits is 0, must be at least 1"),
        (("--index", index, "--nprobe", 3), None, "nprobe"),
        (("--index", index), empty, "empty.tsv: no topics"),
        (("--index", index), bad, "bad.tsv, line 2: no tab"),
        (("--index", index), blank, "query id 'a b' contains white space"),
        (("--index", index), tmp_path / "absent.tsv", "no such topics file"),
        (("--index", tmp_path), None, "not an index"),
        (("--index", index, "--encoder", tmp_path / "absent"), None, "no such directory"),
        (("--index", index, "--encoder", minilm), None, "encoded by another model"),
        (("--index", index, "--encoder-class", "i3", "--l2-norm"), None, "omit them"),
        (("--index", index, "--encoded-queries", tmp_path), None, "no encoded queries here"),
        (("--index", index, "--prf-depth", 3, "--rocchio-topk", 0), None, "feedback of depth 3"),
        ((), None, "expected --index"),
        (("--engine", "milvus:x.db"), None, "a vector engine requires collection"),
        (("--index", index, "--tag", "a b"), None, "contains white space"),
        (("--index", index, "--collection", "a"), None, "require a vector engine"),
    ):
        code, stderr = search(*arguments, topics=topics or place / "topics.tsv")
        assert code == 2
        assert said in stderr


def test_pooling_comes_from_the_manifest(
    place: Path, tmp_path: Path, minilm: str, run_module: Run, search: Any
) -> None:
    run_module(
        "i3_pyserini.encode",
        *("input", "--corpus", place / "corpus.jsonl", "--fields", "text"),
        *("output", "--embeddings", tmp_path / "mean", "--to-faiss"),
        *("encoder", "--encoder", minilm, "--encoder-class", "auto", "--fields", "text"),
        *("--pooling", "mean", "--l2-norm", "--device", "cpu"),
        check=True,
    )
    code, said = search("--index", tmp_path / "mean", "--pooling", "cls")
    assert (
        code == 2 and "--pooling cls contradicts the manifest" in said and "which says mean" in said
    )
    code, text = search("--index", tmp_path / "mean", "--pooling", "mean", "--l2-norm")
    assert (0, text) == search("--index", tmp_path / "mean") and code == 0
    assert max(row[2] for row in ranking(text)) <= 1.0001
