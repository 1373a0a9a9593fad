"""Scalar codes decoded in blocks: the hits that FAISS finds in them."""

from typing import Any

import numpy as np
import pytest

from i3_pyserini.faiss_library import faiss
from i3_pyserini.search import scalar_codes
from i3_pyserini.search.scalar_codes import search_compressed

PASSAGES, DIMENSION = 500, 12


def index_of(factory: str) -> Any:
    random = np.random.default_rng(0)
    vectors = random.standard_normal((PASSAGES, DIMENSION)).astype(np.float32)
    index = faiss.index_factory(DIMENSION, factory, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors)
    index.add(vectors)
    return index


def queries(number: int) -> Any:
    return np.random.default_rng(1).standard_normal((number, DIMENSION)).astype(np.float32)


@pytest.mark.parametrize("factory", ["SQ8", "SQfp16", "SQ6"])
@pytest.mark.parametrize("k", [1, 10, PASSAGES])
@pytest.mark.parametrize("block", [7, 100, PASSAGES, 10 * PASSAGES])
def test_faiss_finds_the_same(
    monkeypatch: pytest.MonkeyPatch, factory: str, k: int, block: int
) -> None:
    monkeypatch.setattr(scalar_codes, "DECODED", block * DIMENSION)
    index, asked = index_of(factory), queries(30)
    scores, rows = search_compressed(index, asked, k)
    expected, own = index.search(asked, k)
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)
    assert scores.dtype == np.float32 and rows.dtype == np.int64
    assert (np.diff(scores) <= 0).all()
    assert (rows == own).mean() > 0.999  # scores may be equal up to rounding
    assert all(len(set(one)) == k for one in rows.tolist())


def test_only_scalar_codes_and_many_queries_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(scalar_codes, "search_exactly", refuse)
    for factory, number in (("SQ8", 3), ("IVF4,SQ8", 30), ("HNSW8", 30), ("PQ3x4,Refine(SQ8)", 30)):
        index, asked = index_of(factory), queries(number)
        for got, expected in zip(
            search_compressed(index, asked, 5), index.search(asked, 5), strict=True
        ):
            np.testing.assert_array_equal(got, expected)
    with pytest.raises(AssertionError):
        search_compressed(index_of("SQ8"), queries(30), 5)
