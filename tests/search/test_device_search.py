"""Exact search with torch in blocks; all but the last test run it on a CPU."""

from pathlib import Path

import numpy as np
import pytest
import torch

import i3_pyserini as i3
from i3_pyserini.encode.flags import QueryOptions
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.vector_files import open_index
from i3_pyserini.search import build_index, device_search
from i3_pyserini.search.device_search import DeviceSearch, _keys, _of_keys
from i3_pyserini.search.faiss_index import search_exactly
from i3_pyserini.search.searcher import Searcher
from tests.conftest import Run
from tests.search.test_searcher import random_vectors, write_index
from tests.search.test_shards import assert_same

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
H = 16


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products of three queries and eleven rows, copies of 20 rows."""
    monkeypatch.setattr(device_search, "QUERIES", 3)
    monkeypatch.setattr(device_search, "SCORES", 33)
    monkeypatch.setattr(device_search, "STREAMED", 20 * 4 * H)


@pytest.fixture
def cpu_as_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """`cuda:0` is the CPU."""
    monkeypatch.setattr(device_search, "torch_device", lambda name: torch.device("cpu"))


@pytest.fixture
def too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """No vectors fit the device."""
    monkeypatch.setattr(device_search, "free_bytes", lambda device: 1e9)


def integers(count: int, seed: int) -> np.ndarray:
    """Vectors whose products are exact and often equal, also to -0.0."""
    values = np.random.default_rng(seed).integers(-2, 3, (count, H)).astype(np.float32)
    return np.where(values == 0, np.float32(-0.0), values)


def lowest_rows_first(
    queries: np.ndarray, vectors: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    scores = queries @ vectors.T
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, rows, axis=1), rows


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("k", [1, 5, 25, 101])
@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_equal_scores_in_the_order_of_rows(k: int, count: int) -> None:
    queries, vectors = integers(count, 1), integers(101, 2)
    queries[0] = 0  # all its scores are equal
    scores, rows = DeviceSearch("cpu")(queries, vectors, k)
    expected = lowest_rows_first(queries, vectors, k)
    assert scores.dtype == np.float32
    assert rows.dtype == np.int64
    np.testing.assert_array_equal(scores, expected[0])
    np.testing.assert_array_equal(rows, expected[1])


@pytest.mark.usefixtures("small_blocks")
def test_streamed_vectors_have_the_same_hits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_index(tmp_path / "i", random_vectors(101, H), [f"d{n}" for n in range(101)])
    vectors, queries = open_index(tmp_path / "i" / "index"), random_vectors(7, H)
    search = DeviceSearch("cpu")
    kept = search(queries, vectors, 30)
    assert len(search._kept) == 1
    monkeypatch.setattr(device_search, "free_bytes", lambda device: 1e9)
    streaming = DeviceSearch("cpu")
    streamed = streaming(queries, vectors, 30)
    assert not streaming._kept
    expected = search_exactly(queries, vectors, 30)
    for found in (kept, streamed):
        np.testing.assert_array_equal(found[1], expected[1])
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-6, atol=1e-6)


def test_vectors_stay_on_the_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_index(tmp_path / "i", random_vectors(50, H), [f"d{n}" for n in range(50)])
    search, queries = DeviceSearch("cpu"), random_vectors(2, H)
    first = search(queries, open_index(tmp_path / "i" / "index"), 5)
    monkeypatch.setattr(DeviceSearch, "_streamed", None)  # not copied again
    again = search(queries, open_index(tmp_path / "i" / "index"), 5)
    np.testing.assert_array_equal(first[1], again[1])


def test_keys_have_the_order_of_scores() -> None:
    numbers = [float("-inf"), -3e38, -2.5, -1e-45, 0.0, 1e-45, 1.0, 1.0000001, 3e38, float("inf")]
    scores = torch.tensor([numbers])
    first = 4_000_000_000
    keys = _keys(scores, first)
    assert (keys.diff() > 0).all()
    found, rows = _of_keys(keys)
    assert torch.equal(found, scores)
    assert rows.tolist() == [list(range(first, first + len(numbers)))]
    assert _keys(torch.tensor([[-0.0, 0.0]]), 0).diff().item() == -1


@pytest.mark.usefixtures("cpu_as_cuda", "small_blocks")
@pytest.mark.parametrize("fits", [True, False])
def test_a_searcher_has_the_hits_of_the_cpu(
    fits: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if not fits:
        request.getfixturevalue("too_large")
    vectors = integers(90, 3)
    write_index(tmp_path / "i", vectors, [f"d{n}" for n in range(90)])
    here, there = Searcher(tmp_path / "i"), Searcher(tmp_path / "i", device="cuda:0")
    queries = integers(8, 4)
    for k in (1, 10, 90):
        found, expected = there.search_arrays(queries, k), here.search_arrays(queries, k)
        np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.rows, expected.rows)  # k=90: ties by docid


@pytest.mark.usefixtures("cpu_as_cuda")
def test_the_command_searches_there(
    place: Path, tmp_path: Path, run_module: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, topics, model = place / "index", place / "topics.tsv", place / "model"
    encode = ("encode-topics", topics, "--model", model, "--output", tmp_path / "q", "--device")
    run_module("i3_pyserini", *encode, "cpu")
    seen: list[int] = []
    search = DeviceSearch.__call__

    def counted(self: DeviceSearch, queries: np.ndarray, *rest: object) -> object:
        seen.append(len(queries))
        return search(self, queries, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(DeviceSearch, "__call__", counted)
    for name, queries in (("cpu", QueryOptions()), ("cuda", QueryOptions(device="cuda:0"))):
        i3.search_topics(
            index,
            topics,
            output=tmp_path / name,
            encoded_queries=tmp_path / "q",
            queries=queries,
        )
    assert seen == [7]
    assert_same(tmp_path / "cuda", tmp_path / "cpu")
    with pytest.raises(I3Error, match="encoded_queries cannot be combined"):
        i3.search_topics(
            index,
            topics,
            output=tmp_path / "other",
            encoded_queries=tmp_path / "q",
            queries=QueryOptions(device="cuda:0", pooling="mean"),
        )


def test_other_indexes_are_searched_on_the_cpu(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build_index(place / "index", output=tmp_path / "lists", type="IVF4,Flat")
    capsys.readouterr()
    Searcher(tmp_path / "lists", device="cuda:0")
    assert "is not flat, so it is searched on the CPU, not on cuda:0" in capsys.readouterr().err


def test_a_device_that_does_not_exist_is_an_error(place: Path) -> None:
    with pytest.raises(I3Error, match=r"--device cuda:99 is not usable .*; try --device cpu"):
        Searcher(place / "index", device="cuda:99")


def test_too_little_memory_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(device_search, "_better", full)
    with pytest.raises(I3Error, match="cpu: not enough memory to search 2 queries"):
        DeviceSearch("cpu")(random_vectors(2, H), random_vectors(9, H), 3)


def test_products_are_in_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_float32_matmul_precision()
    seen: list[str] = []

    def keys(scores: torch.Tensor, first: int) -> torch.Tensor:
        seen.append(torch.get_float32_matmul_precision())
        return _keys(scores, first)

    monkeypatch.setattr(device_search, "_keys", keys)
    torch.set_float32_matmul_precision("medium")
    try:
        DeviceSearch("cpu")(random_vectors(2, H), random_vectors(9, H), 3)
        assert (seen, torch.get_float32_matmul_precision()) == (["highest"], "medium")
    finally:
        torch.set_float32_matmul_precision(before)


@needs_cuda
@pytest.mark.parametrize("fits", [True, False])
def test_a_gpu_has_the_hits_of_the_cpu(fits: bool, request: pytest.FixtureRequest) -> None:
    if not fits:
        request.getfixturevalue("too_large")
    vectors, queries = random_vectors(300_000, 64), random_vectors(2000, 64)
    found = DeviceSearch("cuda:0")(queries, vectors, 100)
    expected = search_exactly(queries, vectors, 100)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
    assert (found[1] == expected[1]).mean() > 0.999
