"""Documents ranked by their windows, against all windows scored at once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.chunks import ChunksRecord
from i3_pyserini.formats.encoded_queries import QUERIES as ENCODED
from i3_pyserini.formats.encoded_queries import queries_as_bytes
from i3_pyserini.formats.hits import Hits, Rows, Scores
from i3_pyserini.formats.index import CorpusRecord, IndexManifest
from i3_pyserini.formats.runs import read_run
from i3_pyserini.search.documents import DocumentSearch
from i3_pyserini.search.index.approximate import build_index
from i3_pyserini.search.options import Feedback
from i3_pyserini.search.searchable import SearchedIndex
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.search.topics import search_topics
from tests.search.test_searcher import random_vectors, write_index

DOCUMENTS, QUERIES, DIMENSION = 120, 9, 16
CHUNKS = ChunksRecord(by="tokens", size=64, overlap=16)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], Scores, Scores]:
    """An index of 1 to 40 windows a document, mostly alike; the queries as `queries`."""
    random, place = np.random.default_rng(3), tmp_path_factory.mktemp("windows")
    ids, vectors = [], []
    for number in range(DOCUMENTS):
        about = random.standard_normal(DIMENSION)
        for window in range(int(random.integers(1, 5)) if number % 10 else 40):
            ids.append(f"d{number}#{window}")
            vectors.append(about + 0.4 * random.standard_normal(DIMENSION))
    matrix = np.array(vectors, dtype=np.float32)
    index = write_index(place / "index", matrix, ids)
    IndexManifest(corpus=CorpusRecord(chunks=CHUNKS), passages=len(ids)).write(index)
    queries = random_vectors(QUERIES, DIMENSION, 5)
    (place / "queries").mkdir()
    topics = {f"q{number}": f"query {number}" for number in range(QUERIES)}
    (place / "queries" / ENCODED).write_bytes(queries_as_bytes(topics, queries))
    (place / "topics.tsv").write_text(
        "".join(f"{q}\t{t}\n" for q, t in topics.items()), encoding="utf-8"
    )
    return place, ids, matrix, queries


def reference(ids: list[str], scores: Scores, best: int, k: int) -> list[tuple[str, float]]:
    of: dict[str, list[float]] = {}
    for docid, score in zip(ids, scores.tolist(), strict=True):
        of.setdefault(docid.split("#")[0], []).append(score)
    means = {name: float(np.mean(sorted(own)[-best:])) for name, own in of.items()}
    return sorted(means.items(), key=lambda one: (one[1], one[0]), reverse=True)[:k]


def same(found: list[tuple[str, float]], expected: list[tuple[str, float]]) -> None:
    assert [docid for docid, _ in found] == [docid for docid, _ in expected]
    np.testing.assert_allclose(
        [score for _, score in found], [score for _, score in expected], atol=1e-5
    )


@pytest.mark.parametrize("k", [1, 7, 60, DOCUMENTS, 1000])
@pytest.mark.parametrize(("by", "best"), [("max", 1), ("mean3", 3)])
def test_exact_for_every_depth(world: Any, by: Any, best: int, k: int) -> None:
    place, ids, vectors, queries = world
    source = SearchedIndex(Searcher(place / "index"))
    found, windows = DocumentSearch(source, by, CHUNKS, "x").search(queries, k)
    hits, names = windows.named(found)
    scores = queries @ vectors.T
    for query, own in enumerate(hits.named(names)):
        same([(hit.docid, hit.score) for hit in own], reference(ids, scores[query], best, k))
        rows = found.rows[query].tolist()  # the best window of each document
        tops = dict(reference(ids, scores[query], 1, DOCUMENTS))
        for row, hit in zip(rows, own, strict=True):
            assert ids[row].split("#")[0] == hit.docid
            assert scores[query, row] == pytest.approx(tops[hit.docid], abs=1e-5)


class Counting(SearchedIndex):
    """Counts what is searched for."""

    asked: list[tuple[int, int]]

    def search(self, vectors: Scores, k: int) -> tuple[Hits, Any]:
        self.asked.append((len(vectors), k))
        return super().search(vectors, k)


def test_only_queries_that_lack_documents_are_searched_deeper(world: Any) -> None:
    place, ids, vectors, queries = world
    first = np.argsort(-(queries @ vectors.T), axis=1)[:, :6].tolist()
    several = [len({ids[row].split("#")[0] for row in rows}) >= 3 for rows in first].index(True)
    source = Counting(Searcher(place / "index"))
    source.asked = []
    both = np.stack([vectors[0] * 100, queries[several]])  # the first: of a document of 40 windows
    DocumentSearch(source, "max", CHUNKS, "x").search(both, 3)
    assert source.asked[0] == (2, 6)
    assert {count for count, _ in source.asked[1:]} == {1} and source.asked[-1][1] >= 40


def test_blocks_of_a_deep_search(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    place, ids, vectors, queries = world
    monkeypatch.setattr("i3_pyserini.search.documents.CELLS", 300)
    source = SearchedIndex(Searcher(place / "index"))
    found, windows = DocumentSearch(source, "max", CHUNKS, "x").search(queries, 100)
    hits, names = windows.named(found)
    for query, own in enumerate(hits.named(names)):
        same([*own], reference(ids, queries[query] @ vectors.T, 1, 100))


@pytest.mark.parametrize("kind", ["hnsw", "ivf-flat"])
@pytest.mark.parametrize(("by", "best"), [("max", 1), ("mean3", 3)])
def test_approximate_indexes(world: Any, tmp_path: Path, kind: Any, by: Any, best: int) -> None:
    place, ids, vectors, queries = world
    build_index(place / "index", output=tmp_path / "built", type=kind)
    searcher = Searcher(tmp_path / "built")
    assert searcher.manifest.corpus.chunks == CHUNKS
    whole = {"efSearch": 1000} if kind == "hnsw" else {"nprobe": 1000}
    source = SearchedIndex(Searcher(tmp_path / "built", parameters=whole))
    found, windows = DocumentSearch(source, by, CHUNKS, "x").search(queries, 20)
    hits, names = windows.named(found)
    for query, own in enumerate(hits.named(names)):
        same([*own], reference(ids, queries[query] @ vectors.T, best, 20))


def run_of(world: Any, output: Path, **options: Any) -> dict[str, list[str]]:
    place, *_ = world
    search_topics(
        place / "index",
        place / "topics.tsv",
        encoded_queries=place / "queries",
        output=output,
        overwrite=True,
        **options,
    )
    run = read_run(output)
    return dict(run.hits(run.queries))


def test_runs(world: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, ids, vectors, queries = world
    scores = queries @ vectors.T
    for choice, best in ((None, 1), ("max", 1), ("mean3", 3)):
        found = run_of(world, tmp_path / "run.txt", hits=15, documents=choice)
        noted = "(MaxP)" in capsys.readouterr().err
        assert noted == (choice is None)
        for query in range(QUERIES):
            expected = reference(ids, scores[query], best, 15)
            assert found[f"q{query}"] == [docid for docid, _ in expected]
    windows = run_of(world, tmp_path / "run.txt", hits=15, documents="none")
    assert windows["q0"] == [ids[row] for row in np.argsort(-scores[0])[:15]]


def test_all_documents_and_no_more(
    world: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run_of(world, tmp_path / "run.txt")
    assert {len(own) for own in found.values()} == {DOCUMENTS}
    run_of(world, tmp_path / "run.txt", hits=DOCUMENTS + 1, documents="mean3")
    assert f"only {DOCUMENTS} documents" in capsys.readouterr().err


def test_the_query_s_own_document_is_removed(world: Any, tmp_path: Path) -> None:
    place, *rest = world
    whole = run_of(world, tmp_path / "run.txt", hits=11)
    renamed = tmp_path / "renamed"
    (renamed / "queries").mkdir(parents=True)
    own = [whole[f"q{query}"][3] for query in range(QUERIES)]
    unique = {docid: query for query, docid in reversed(list(enumerate(own)))}
    topics = dict.fromkeys(unique, "x")
    vectors = rest[2][list(unique.values())]
    (renamed / "queries" / ENCODED).write_bytes(queries_as_bytes(topics, vectors))
    (renamed / "topics.tsv").write_text(
        "".join(f"{docid}\tx\n" for docid in unique), encoding="utf-8"
    )
    (renamed / "index").symlink_to(place / "index")
    found = run_of((renamed,), tmp_path / "run.txt", hits=10, remove_query=True)
    for docid, query in unique.items():
        assert found[docid] == [one for one in whole[f"q{query}"] if one != docid]


def test_feedback_moves_the_queries_of_mean3_too(world: Any, tmp_path: Path) -> None:
    _, ids, vectors, queries = world
    found = run_of(
        world, tmp_path / "run.txt", hits=12, documents="mean3", feedback=Feedback(prf_depth=4)
    )
    for query in range(QUERIES):
        best: Rows = np.argsort(-(vectors @ queries[query]))[:4]
        moved = (queries[query] + vectors[best].sum(axis=0)) / 5
        expected = reference(ids, vectors @ moved, 3, 12)
        assert found[f"q{query}"] == [docid for docid, _ in expected]


def test_an_index_without_the_record(
    world: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, ids, vectors, _ = world
    for name, own in (("cut", ids), ("whole", [docid.replace("#", "-") for docid in ids])):
        write_index(tmp_path / name, vectors, own)
        folder = tmp_path / f"{name}-place"
        folder.mkdir()
        for part in ("topics.tsv", "queries"):
            (folder / part).symlink_to(place / part)
        (folder / "index").symlink_to(tmp_path / name)
    passages = run_of((tmp_path / "cut-place",), tmp_path / "run.txt", hits=5)
    assert all("#" in docid for own in passages.values() for docid in own)
    assert "MaxP" not in capsys.readouterr().err
    best = run_of((tmp_path / "cut-place",), tmp_path / "run.txt", hits=5, documents="max")
    assert best == run_of(world, tmp_path / "run.txt", hits=5)
    with pytest.raises(I3Error, match="'d0-0'"):
        run_of((tmp_path / "whole-place",), tmp_path / "run.txt", documents="max")
    with pytest.raises(I3Error, match="'sum'"):
        run_of(world, tmp_path / "run.txt", documents="sum")


def test_the_drop_in_ranks_windows_unless_asked(
    world: Any, tmp_path: Path, run_module: Any
) -> None:
    place, *_ = world
    arguments = (
        *("--index", place / "index", "--topics", place / "topics.tsv"),
        *("--encoded-queries", place / "queries", "--output", tmp_path / "run.txt", "--overwrite"),
    )
    run_module("i3_pyserini.search", *arguments, "--hits", 30)
    windows = read_run(tmp_path / "run.txt")
    assert all("#" in docid for docid in windows.lines["doc_id"])
    run_module(
        "i3_pyserini.search", *arguments, "--hits", 30, "--max-passage", "--max-passage-hits", 5
    )
    run = read_run(tmp_path / "run.txt")
    for (_, own), (_, hits) in zip(run.hits(run.queries), windows.hits(run.queries), strict=True):
        assert own == list(dict.fromkeys(docid.split("#")[0] for docid in hits))[:5]
