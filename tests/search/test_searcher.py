import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3_pyserini.encode.query_encoders import load_query_encoder
from i3_pyserini.errors import I3Error
from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.hits import Scores, in_order
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.vector_files import Shape, write_files
from i3_pyserini.search.faiss_index import search_exactly
from i3_pyserini.search.searcher import Searcher
from tests.search.conftest import PASSAGES


def write_index(folder: Path, vectors: Scores, ids: list[str] | None = None) -> Path:
    folder.mkdir()
    block = Block(ids or [f"d{row}" for row in range(len(vectors))], vectors)
    write_files("faiss", folder, [block], Shape(*vectors.shape))
    return folder


def random_vectors(count: int, dimension: int = 16, seed: int = 0) -> Scores:
    return np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)


@pytest.mark.parametrize("queries", [1, 19, 20, 300])
def test_exact_search_gives_flat_s_hits(queries: int) -> None:
    vectors, asked = random_vectors(5000), random_vectors(queries, seed=1)
    flat = faiss.IndexFlatIP(16)
    flat.add(vectors)
    expected_scores, expected_rows = flat.search(asked, 200)
    settings = {name: getattr(faiss.cvar, name) for name in SETTINGS}
    scores, rows = search_exactly(asked, vectors, 200)
    assert {name: getattr(faiss.cvar, name) for name in SETTINGS} == settings
    np.testing.assert_allclose(scores, expected_scores, atol=1e-5)
    different = rows != expected_rows  # only where two scores are the same but for rounding
    gaps = np.abs((asked[:, None] * vectors[rows]).sum(axis=2) - expected_scores)
    assert different.mean() < 0.01 and gaps[different].max(initial=0) < 1e-5


SETTINGS = ("distance_compute_blas_threshold", "distance_compute_blas_database_bs")


def test_blocks_of_queries_and_passages_are_all_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i3_pyserini.search.faiss_index.QUERIES", 32)
    monkeypatch.setattr("i3_pyserini.search.faiss_index.PASSAGES", 64)
    vectors, asked = random_vectors(500), random_vectors(100, seed=1)
    scores, _ = search_exactly(asked, vectors, 500)
    np.testing.assert_allclose(scores, -np.sort(-(asked @ vectors.T), axis=1), atol=1e-5)


def test_searcher_by_vectors(tmp_path: Path) -> None:
    vectors = random_vectors(300)
    searcher = Searcher(write_index(tmp_path / "index", vectors))
    assert (searcher.count, searcher.dimension, searcher.docids[299]) == (300, 16, "d299")
    hits = searcher.search_arrays(vectors[:5] * 100, 7)
    assert hits.scores.shape == hits.rows.shape == (5, 7)
    best = np.argsort(-(vectors[:5] @ vectors.T), axis=1)[:, :7]
    np.testing.assert_array_equal(hits.rows, best)
    np.testing.assert_array_equal(searcher.passages(hits.rows), vectors[best])


def test_searcher_by_texts(place: Path) -> None:
    encoder, texts = load_query_encoder(str(place / "model")), ["how long to boil an egg", "eggs"]
    arrays = Searcher(place / "index").search_arrays(encoder.encode(texts), 3)
    docids = Searcher(place / "index").docids
    expected = [[docids[row] for row in rows] for rows in arrays.rows.tolist()]
    model = place / "model"
    for named in (None, encoder, model, str(model), str(model / "query_encoder")):
        hits = Searcher(str(place / "index"), named).search(texts, k=3)
        assert [[hit.docid for hit in some] for some in hits] == expected
        scores = [[hit.score for hit in some] for some in hits]
        np.testing.assert_allclose(scores, arrays.scores, atol=1e-6)
    assert Searcher(place / "index").search([], 3) == []
    with pytest.raises(I3Error, match=r"one text \('eggs'\); expected a list"):
        Searcher(place / "index").search("eggs", 3)


def test_no_more_hits_than_passages(tmp_path: Path) -> None:
    searcher = Searcher(write_index(tmp_path / "index", random_vectors(30)))
    (hits,) = searcher.search(random_vectors(1), k=1000)
    assert sorted(hit.docid for hit in hits) == sorted(searcher.docids)
    assert searcher.search_arrays(random_vectors(1), 31).rows.shape == (1, 30)


def test_an_index_without_manifest_needs_an_encoder(tmp_path: Path) -> None:
    searcher = Searcher(write_index(tmp_path / "index", random_vectors(30)))
    with pytest.raises(I3Error, match="index: its manifest names no model"):
        searcher.search(["eggs"])


def test_equal_hits_are_in_descending_order_of_docid(tmp_path: Path) -> None:
    vectors = np.ones((40, 8), dtype=np.float32)
    searcher = Searcher(write_index(tmp_path / "index", vectors, [f"d{n:02}" for n in range(40)]))
    found = searcher.search_arrays(vectors[:1], 20)
    docids = [searcher.docids[row] for row in found.rows[0].tolist()]
    assert docids == sorted(docids, reverse=True)


@given(st.lists(st.lists(st.sampled_from([0.25, 0.5, 1.0]), min_size=6, max_size=6), min_size=1))
def test_order_of_hits(values: list[list[float]]) -> None:
    scores = -np.sort(-np.array(values, dtype=np.float32), axis=1)
    rows = np.tile(np.arange(6), (len(values), 1))
    rows[:, 5] = -1
    docids = list("fbdace")
    hits = in_order(scores, rows, docids, 4)
    for query in range(len(values)):
        pairs = [(scores[query, n], docids[n]) for n in range(5)]
        expected = sorted(pairs, reverse=True)[:4]
        found = zip(hits.scores[query], [docids[n] for n in hits.rows[query]], strict=True)
        assert list(found) == expected


def test_what_cannot_be_searched(tmp_path: Path, place: Path) -> None:
    index = write_index(tmp_path / "index", random_vectors(30))
    searcher = Searcher(index)
    for queries, k, said in (
        (random_vectors(2), 0, "must be at least 1"),
        (random_vectors(2, 8), 3, r"vectors \[2, 8\], but .* 16 dimensions"),
        (np.full((2, 16), np.nan, dtype=np.float32), 3, "query 1 of 2: its vector is not finite"),
    ):
        with pytest.raises(I3Error, match=said):
            searcher.search_arrays(queries, k)
    with pytest.raises(I3Error, match=r"vectors of 16 dimensions, but those of .*model have 32"):
        Searcher(index, load_query_encoder(str(place / "model")))
    with pytest.raises(I3Error, match="not an index"):
        Searcher(tmp_path / "absent")


def test_damaged_indexes(tmp_path: Path) -> None:
    index = write_index(tmp_path / "index", random_vectors(30))
    content = (index / "index").read_bytes()
    (index / "index").write_bytes(content[:-100])
    with pytest.raises(I3Error, match="truncated"):
        Searcher(index)
    (index / "index").write_bytes(content)
    with (index / "docid").open("a", encoding="utf-8") as docids:
        docids.write("one-more\n")
    with pytest.raises(I3Error, match="31 ids but 30 vectors"):
        Searcher(index)
    (index / "docid").write_text("d0\n\n" + "d1\n" * 28, encoding="utf-8")
    with pytest.raises(I3Error, match="docid, line 2: id '' is empty"):
        Searcher(index)


def test_another_model_s_index_is_refused(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "index", tmp_path / "index")
    path = tmp_path / "index" / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["model"].update(fingerprint="0" * 64, name="another")
    path.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(I3Error, match=r"encoded by another model \(another\)"):
        Searcher(tmp_path / "index", load_query_encoder(str(place / "model")))


def test_ids_may_be_any_text_without_blanks(tmp_path: Path) -> None:
    ids = ['"quoted"', "a,b", "übung", "7"]
    searcher = Searcher(write_index(tmp_path / "index", random_vectors(4), ids))
    assert list(searcher.docids) == ids
    assert searcher.docids[1:3] == ids[1:3]
    assert len(searcher.docids) == PASSAGES - 56
