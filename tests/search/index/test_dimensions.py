"""Smaller indexes of the first dimensions; queries are shortened alike, without a flag."""

import json
from pathlib import Path

import numpy as np
import pytest

import i3_pyserini as i3
from i3_pyserini import I3Error, I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.encode.indexes import verify_index
from i3_pyserini.encode.summary import stock_commands
from i3_pyserini.formats.index import read_manifest
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.plugin import check_search
from i3_pyserini.search.index.approximate import build_index, tune_index
from i3_pyserini.search.index.build import build
from i3_pyserini.search.index.tune import tune
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.stock.lucene_files import index_vectors
from tests.conftest import WORDS, Run

TEXTS = [" ".join(WORDS[row : row + 5]) for row in range(len(WORDS) - 5)]
QUERIES = ["how long to boil an egg", "hot water", "a photosynthesis"]
KEPT = 12


@pytest.fixture(scope="module", params=[True, False], ids=["unit length", "any length"])
def whole(
    request: pytest.FixtureRequest, tiny_bert: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An index of all 32 dimensions, with its model."""
    folder = tmp_path_factory.mktemp("whole")
    model = I3Retriever.from_backbone(tiny_bert, pooling="mean", normalize=request.param)
    tokenizer = I3Tokenizer.from_pretrained(tiny_bert, model.config)
    save_model_directory(model, tokenizer, folder / "MODEL")
    lines = [json.dumps({"id": f"p{row}", "text": text}) for row, text in enumerate(TEXTS)]
    (folder / "corpus.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    i3.encode_corpus(folder / "corpus.jsonl", model=folder / "MODEL", output=folder / "INDEX")
    return folder / "INDEX"


def first(vectors: np.ndarray, unit: bool) -> np.ndarray:
    short = vectors[:, :KEPT]
    return short / np.linalg.norm(short, axis=1, keepdims=True) if unit else short


def test_hits_are_those_of_shortened_vectors(whole: Path, tmp_path: Path) -> None:
    build_index(whole, output=tmp_path / "SHORT", type="flat", dimensions=KEPT)
    manifest = read_manifest(tmp_path / "SHORT")
    assert (manifest.dimension, manifest.encoder.dimension) == (KEPT, 32)
    assert manifest.built.dimensions == KEPT
    encoder, unit = i3.load(whole.parent / "MODEL"), bool(manifest.encoder.normalize)
    queries, passages = encoder.encode_queries(QUERIES), encoder.encode_passages(TEXTS)
    expected = first(queries, unit) @ first(passages, unit).T
    short = Searcher(tmp_path / "SHORT")
    for asked in (QUERIES, queries):  # texts, and vectors that were encoded before
        found = short.search_arrays(asked, 5)
        np.testing.assert_allclose(found.scores, -np.sort(-expected)[:, :5], atol=1e-5)
    assert short.dimension == KEPT
    opened = i3.open_index(tmp_path / "SHORT")
    assert opened.search(QUERIES[0], k=1)[0].docid == f"p{expected[0].argmax()}"


def test_other_types_and_shorter_ones_still(whole: Path, tmp_path: Path) -> None:
    build_index(whole, output=tmp_path / "SHORT", type="flat", dimensions=KEPT)
    build_index(tmp_path / "SHORT", output=tmp_path / "SQ8", type="sq8")
    build_index(whole, output=tmp_path / "AT-ONCE", type="sq8", dimensions=KEPT)
    twice, once = (
        Searcher(tmp_path / name).search_arrays(QUERIES, 3) for name in ("SQ8", "AT-ONCE")
    )
    np.testing.assert_allclose(twice.scores, once.scores, atol=1e-5)
    build_index(tmp_path / "SHORT", output=tmp_path / "SHORTER", type="flat", dimensions=5)
    build_index(whole, output=tmp_path / "FIVE", type="flat", dimensions=5)
    again, five = (
        Searcher(tmp_path / name).search_arrays(QUERIES, 3) for name in ("SHORTER", "FIVE")
    )
    np.testing.assert_allclose(again.scores, five.scores, atol=1e-5)


def test_a_graph_is_tuned_against_whole_vectors(whole: Path, tmp_path: Path) -> None:
    queries = i3.load(whole.parent / "MODEL").encode_queries(QUERIES)
    build(whole, IndexOutput(tmp_path / "HNSW"), "hnsw", dimensions=KEPT)
    best, _ = tune(tmp_path / "HNSW", queries, target=0.01, k=3)
    assert best.recall > 0.01


def test_tuning_with_topics(whole: Path, tmp_path: Path) -> None:
    build_index(whole, output=tmp_path / "HNSW", type="hnsw", dimensions=KEPT)
    topics = "".join(f"q{row}\t{query}\n" for row, query in enumerate(QUERIES))
    (tmp_path / "topics.tsv").write_text(topics, encoding="utf-8")
    found = tune_index(tmp_path / "HNSW", tmp_path / "topics.tsv", target_recall=0.01, k=3)
    assert found.best.recall > 0.01


def test_stock_pyserini_is_refused(whole: Path, tmp_path: Path) -> None:
    build_index(whole, output=tmp_path / "SHORT", type="flat", dimensions=KEPT)
    assert stock_commands(tmp_path / "SHORT", read_manifest(tmp_path / "SHORT")) == []
    assert stock_commands(whole, read_manifest(whole)) != []
    said = "has the first 12 of 32 dimensions, and stock Pyserini does not shorten queries"
    query_encoder = str(whole.parent / "MODEL" / "query_encoder")
    for kind in ("i3", "auto"):
        encoder = ["--encoder", query_encoder, "--encoder-class", kind]
        with pytest.raises(I3Error, match=said):
            check_search(["--index", str(tmp_path / "SHORT"), *encoder])
    with pytest.raises(I3Error, match=said):
        index_vectors(tmp_path / "SHORT", tmp_path / "LUCENE", "flat", {}, 1)


def test_the_shell_needs_no_flag(whole: Path, tmp_path: Path, run_module: Run) -> None:
    topics = "".join(f"q{row}\t{query}\n" for row, query in enumerate(QUERIES))
    (tmp_path / "topics.tsv").write_text(topics, encoding="utf-8")
    build = ("index", "build", whole, "--output", tmp_path / "SHORT", "--type", "fp16")
    run_module("i3_pyserini", *build, "--dimensions", KEPT, check=True)
    search = (tmp_path / "SHORT", tmp_path / "topics.tsv", "--output", tmp_path / "run.txt")
    run_module("i3_pyserini", "search", *search, check=True)
    assert len((tmp_path / "run.txt").read_text(encoding="utf-8").splitlines()) == 3 * len(TEXTS)
    build = ("index", "build", whole, "--output", tmp_path / "NO", "--type", "fp16")
    said = run_module("i3_pyserini", *build, "--dimensions", 32)
    assert said.returncode == 2
    assert "dimensions is 32, but the vectors of" in said.stderr


def test_queries_that_are_encoded_before(whole: Path, tmp_path: Path, run_module: Run) -> None:
    build_index(whole, output=tmp_path / "SHORT", type="flat", dimensions=KEPT)
    topics = "".join(f"q{row}\t{query}\n" for row, query in enumerate(QUERIES))
    (tmp_path / "topics.tsv").write_text(topics, encoding="utf-8")
    encode = ("encode-topics", tmp_path / "topics.tsv", "--index", tmp_path / "SHORT")
    run_module("i3_pyserini", *encode, "--output", tmp_path / "queries", check=True)
    files = []
    for name, given in (("texts", ()), ("vectors", ("--encoded-queries", tmp_path / "queries"))):
        search = ("search", tmp_path / "SHORT", tmp_path / "topics.tsv", *given)
        search = (*search, "--output", tmp_path / name)
        run_module("i3_pyserini", *search, check=True)
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]


def test_it_is_verified(whole: Path, tmp_path: Path) -> None:
    build_index(whole, output=tmp_path / "SHORT", type="flat", dimensions=KEPT)
    said = str(verify_index(tmp_path / "SHORT", corpus=whole.parent / "corpus.jsonl"))
    assert "cosine 1.0000" in said or "cosine 0.99999" in said


def test_what_cannot_be(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(I3Error, match="dimensions is 0, must be at least 1"):
        build_index(whole, output=tmp_path / "no", type="flat", dimensions=0)
    (tmp_path / "bare").mkdir()
    for name in ("index", "docid"):
        (tmp_path / "bare" / name).write_bytes((whole / name).read_bytes())
    with pytest.raises(I3Error, match="does not say what encoded these vectors"):
        build_index(tmp_path / "bare", output=tmp_path / "no", type="flat", dimensions=KEPT)
    assert not (tmp_path / "no").exists()
