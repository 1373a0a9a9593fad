"""Indexes of every type: built, searched by us and by FAISS as stock search does, tuned."""

import json
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.hits import Scores
from i3_pyserini.formats.index import EncoderRecord, TrainingRecord, read_manifest
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.search import faiss_index
from i3_pyserini.search.faiss_index import parameters_of, read_index
from i3_pyserini.search.index.build import build
from i3_pyserini.search.index.tune import recall, tune
from i3_pyserini.search.index.types import TYPES, lists_for, plan
from i3_pyserini.search.searcher import Searcher
from tests.search.test_searcher import write_index

PASSAGES, DIMENSION = 4000, 32


def vectors_of(count: int, seed: int = 0) -> Scores:
    """Around 40 points, as texts of some topics are."""
    random = np.random.default_rng(seed)
    points = np.random.default_rng(9).standard_normal((40, DIMENSION))
    vectors = points[random.integers(40, size=count)] + random.standard_normal((count, DIMENSION))
    scaled: Scores = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled.astype(np.float32)


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_index(tmp_path_factory.mktemp("flat") / "index", vectors_of(PASSAGES))
    (folder / "manifest.json").write_text(
        '{"model": {"name": "m", "fingerprint": "f"}}', encoding="utf-8"
    )
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*TYPES, "IVF16,SQ8", "PCA16,Flat"])
def test_types(flat: Path, tmp_path: Path, kind: str) -> None:
    built = build(flat, IndexOutput(tmp_path / "index"), kind)
    searcher, queries = Searcher(tmp_path / "index"), vectors_of(50, seed=1)
    hits = searcher.search_arrays(queries, 100)
    exact = Searcher(flat).search_arrays(queries, 100)
    assert recall(hits.rows, exact.rows) > (0.4 if kind == "PCA16,Flat" else 0.75)
    # The scores are inner products, not distances.
    found = (queries[:, None] * vectors_of(PASSAGES)[hits.rows]).sum(axis=2)
    assert np.abs(found - hits.scores).max() < (2 if kind == "PCA16,Flat" else 0.05)
    # Stock Pyserini reads the file so, and searches with the parameters in it.
    stock = faiss.read_index(str(tmp_path / "index" / "index")).search(queries, 100)
    assert (stock[1] == hits.rows).mean() > 0.999
    manifest = read_manifest(tmp_path / "index")
    assert manifest.encoder == EncoderRecord(name="m", fingerprint="f")
    assert (manifest.passages, manifest.dimension) == (PASSAGES, DIMENSION)
    assert manifest.built.parameters == dict(built.plan.parameters)
    assert manifest.built.factory == built.plan.factory
    assert (tmp_path / "index" / "docid").read_bytes() == (flat / "docid").read_bytes()


@pytest.mark.slow
def test_parameters_are_in_the_file(flat: Path, tmp_path: Path) -> None:
    build(flat, IndexOutput(tmp_path / "ivf"), "ivf-pq")
    parameters = read_manifest(tmp_path / "ivf").built.parameters or {}
    index: Any = faiss.read_index(str(tmp_path / "ivf" / "index"))  # owns what it is downcast to
    refined: Any = faiss.downcast_index(index)
    assert refined.k_factor == parameters["refine"] == 4
    lists: Any = faiss.downcast_index(refined.base_index)
    assert lists.nprobe == parameters["nprobe"] == lists.nlist == lists_for(PASSAGES)
    build(flat, IndexOutput(tmp_path / "hnsw"), "hnsw")
    index = faiss.read_index(str(tmp_path / "hnsw" / "index"))
    graph: Any = faiss.downcast_index(index)
    parameters = read_manifest(tmp_path / "hnsw").built.parameters or {}
    assert graph.hnsw.efSearch == parameters["efSearch"]


def test_parameters_of_a_search(flat: Path, tmp_path: Path) -> None:
    build(flat, IndexOutput(tmp_path / "index"), "ivf-flat")
    queries, exact = (
        vectors_of(50, seed=1),
        Searcher(flat).search_arrays(vectors_of(50, seed=1), 100),
    )
    index = tmp_path / "index"
    found = [Searcher(index, None, {"nprobe": n}).search_arrays(queries, 100) for n in (1, 8, 64)]
    shares = [recall(hits.rows, exact.rows) for hits in found]
    assert shares[0] < shares[1] < shares[2] and shares[2] > 0.999
    for index, parameters in ((flat, {"nprobe": 3}), (tmp_path / "index", {"efSearch": 3})):
        with pytest.raises(I3Error, match=r"indexes, but this one is .*; omit it"):
            Searcher(index, None, parameters)


@pytest.mark.parametrize(
    ("passages", "lists", "nprobe"),
    [(10, 1, 1), (4000, 64, 64), (10**5, 1024, 256), (10**6, 4096, 256), (8_841_823, 16384, 1024)],
)
def test_lists_and_probes_by_size(passages: int, lists: int, nprobe: int) -> None:
    wanted = plan("ivf-sq8", passages, DIMENSION)
    assert wanted.factory == f"IVF{lists},SQ8" and wanted.parameters == {"nprobe": nprobe}
    assert wanted.training == min(passages, max(65_536, 64 * lists))


def test_the_same_seed_gives_the_same_file(flat: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        build(flat, IndexOutput(tmp_path / name), "ivf-sq8", training=2000, seed=seed)
    a, b, c = ((tmp_path / name / "index").read_bytes() for name in "abc")
    assert a == b != c
    manifest = read_manifest(tmp_path / "c")
    assert manifest.built.training == TrainingRecord(vectors=2000, seed=4)


def test_what_cannot_be_built(flat: Path, tmp_path: Path) -> None:
    for kind, said in (
        ("nonsense", "FAISS cannot create it for 32 dimensions .* named types are flat"),
        ("IVF4000,PQ5", "FAISS cannot create it"),
    ):
        with pytest.raises(I3Error, match=said):
            build(flat, IndexOutput(tmp_path / "index"), kind)
    with pytest.raises(I3Error, match="cannot be trained with 10 vectors"):
        build(flat, IndexOutput(tmp_path / "index"), "IVF64,Flat", training=10)
    broken = vectors_of(100)
    broken[77, 3] = np.nan
    source = write_index(tmp_path / "broken", broken)
    with pytest.raises(I3Error, match="the vector of 'd77' is not finite"):
        build(source, IndexOutput(tmp_path / "index"), "sq8")
    with pytest.raises(I3Error, match="no vectors here"):
        build(tmp_path, IndexOutput(tmp_path / "index"), "sq8")
    with pytest.raises(I3Error, match="is given twice"):
        build(source, IndexOutput(source, overwrite=True), "sq8")
    assert not (tmp_path / "index").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"broken"}


def test_damage_and_unknown_types(flat: Path, tmp_path: Path) -> None:
    build(flat, IndexOutput(tmp_path / "index"), "ivf-sq8")
    path = tmp_path / "index" / "index"
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"Xxxx" + content[4:], b""):
        path.write_bytes(damaged)
        with pytest.raises(I3Error, match=r"cannot (be read|read it)"):
            read_index(tmp_path / "index")


@pytest.mark.slow
def test_tuning(flat: Path, tmp_path: Path) -> None:
    build(flat, IndexOutput(tmp_path / "index"), "ivf-pq")
    queries = vectors_of(60, seed=2)
    best, trials = tune(tmp_path / "index", queries, 0.95, 100)
    assert best.recall >= 0.95
    cheaper = [trial for trial in trials if trial.milliseconds < best.milliseconds]
    assert all(trial.recall < 0.95 for trial in cheaper)
    manifest = read_manifest(tmp_path / "index")
    assert manifest.built.parameters == best.parameters
    assert manifest.built.tuned and manifest.built.tuned.target == 0.95
    # What is in the file is what was tuned.
    found = Searcher(tmp_path / "index").search_arrays(queries, 100).rows
    exact = Searcher(flat).search_arrays(queries, 100).rows
    assert recall(found, exact) == pytest.approx(best.recall, abs=0.01)
    assert {path.name for path in (tmp_path / "index").iterdir()} == {
        "index",
        "docid",
        "manifest.json",
    }


@pytest.mark.slow
def test_what_cannot_be_tuned(flat: Path, tmp_path: Path) -> None:
    queries = vectors_of(20, seed=2)
    build(flat, IndexOutput(tmp_path / "sq4"), "SQ4")
    with pytest.raises(I3Error, match="has no parameters to tune"):
        tune(tmp_path / "sq4", queries, 0.9, 10)
    build(flat, IndexOutput(tmp_path / "pq"), "IVF16,PQ4x4fs")
    before = (tmp_path / "pq" / "index").read_bytes()
    with pytest.raises(I3Error, match="query 1 of 2: its vector is not finite"):
        tune(tmp_path / "pq", np.full((2, DIMENSION), np.nan, dtype=np.float32), 0.9, 10)
    with pytest.raises(I3Error, match=r"1.0 is not reached; the best is 0\.\d+ with nprobe"):
        tune(tmp_path / "pq", queries, 1.0, 10)
    assert (tmp_path / "pq" / "index").read_bytes() == before
    other = write_index(tmp_path / "other", vectors_of(50))
    with pytest.raises(I3Error, match="has other passages than"):
        tune(tmp_path / "pq", queries, 0.9, 10, other)
    path = tmp_path / "pq" / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["index"]["of"] = str(tmp_path / "gone")
    path.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(I3Error, match="against"):
        tune(tmp_path / "pq", queries, 0.9, 10)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sq8", "hnsw", "ivf-flat", "ivf-pq", "rabitq"])
@pytest.mark.parametrize("with_manifest", [True, False])
def test_cut_off_anywhere(flat: Path, tmp_path: Path, kind: str, with_manifest: bool) -> None:
    build(flat, IndexOutput(tmp_path / "index"), kind)
    path = tmp_path / "index" / "index"
    content = path.read_bytes()
    if not with_manifest:
        (tmp_path / "index" / "manifest.json").unlink()
    places = np.random.default_rng(0).integers(60, len(content) - 60, 10).tolist()
    for size in (0, 5, 28, 49, *places, len(content) - 3):
        path.write_bytes(content[:size])
        with pytest.raises(I3Error, match=r"cannot (be read|read it)"):
            read_index(tmp_path / "index")
    path.write_bytes(content)
    assert read_index(tmp_path / "index").ntotal == PASSAGES


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("HNSW32_PQ8", "for distances only, not for inner products"),
        ("PCA16,HNSW32_PQ8", "for distances only, not for inner products"),
        ("IDMap,Flat", "omit IDMap"),
        ("LSH", "FAISS cannot create it"),
    ],
)
def test_what_would_give_wrong_hits(flat: Path, tmp_path: Path, kind: str, said: str) -> None:
    with pytest.raises(I3Error, match=said):
        build(flat, IndexOutput(tmp_path / "index"), kind)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("PCA16,IVF32,PQ8x4fs,Refine(SQ8)", {"refine": 4, "nprobe": 32}),
        ("IVF32_HNSW16,Flat", {"nprobe": 32, "efSearch": 64}),
        ("HNSW16_SQ8", {"efSearch": 1024}),
        ("PQ8", {}),
    ],
)
def test_descriptions_get_good_parameters_too(
    flat: Path, tmp_path: Path, kind: str, parameters: dict[str, int]
) -> None:
    build(flat, IndexOutput(tmp_path / "index"), kind)
    assert read_manifest(tmp_path / "index").built.parameters == parameters
    assert parameters_of(faiss.read_index(str(tmp_path / "index" / "index"))) == parameters


def test_tuning_leaves_what_it_does_not_try(flat: Path, tmp_path: Path) -> None:
    build(flat, IndexOutput(tmp_path / "index"), "IVF32_HNSW16,Flat")
    best, _ = tune(tmp_path / "index", vectors_of(40, seed=2), 0.9, 100)
    parameters = {**best.parameters, "efSearch": 64}
    assert read_manifest(tmp_path / "index").built.parameters == parameters
    assert parameters_of(read_index(tmp_path / "index")) == parameters


def test_a_disk_that_is_full(flat: Path, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))  # of 128 kB
    try:
        with pytest.raises(I3Error, match=r"index: cannot be written \(.*run the same command"):
            build(flat, IndexOutput(tmp_path / "index"), "sq8")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")
def test_a_disk_that_is_full_for_the_last_bytes() -> None:
    index = faiss.IndexFlatIP(8)
    index.add(np.ones((5, 8), dtype=np.float32))  # less than C's files hold back until closed
    with pytest.raises(OSError, match="No space left"):
        faiss_index.write_index(index, Path("/dev/full"))


def test_flat_is_written_without_being_held(
    flat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faiss.IndexFlat, "add", None)
    build(flat, IndexOutput(tmp_path / "index"), "flat")
    assert (tmp_path / "index" / "index").read_bytes() == (flat / "index").read_bytes()


def test_an_index_of_an_earlier_state_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_index(tmp_path / "flat", vectors_of(200))
    state = '{"model": {"name": "m", "fingerprint": "f"}, "corpus": {"sha256": "%s"}}'
    (folder / "manifest.json").write_text(state % "old", encoding="utf-8")
    build(folder, IndexOutput(tmp_path / "hnsw"), "hnsw")
    Searcher(tmp_path / "hnsw")
    assert "earlier state" not in capsys.readouterr().err
    (folder / "manifest.json").write_text(state % "new", encoding="utf-8")
    Searcher(tmp_path / "hnsw")
    said = capsys.readouterr().err
    assert f"earlier state of {folder}" in said and "index build" in said
    Searcher(folder)
    assert not capsys.readouterr().err
