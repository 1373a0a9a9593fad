import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i3_pyserini.encode.own_vectors import find_vectors, write_own_vectors
from i3_pyserini.errors import I3Error
from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats import jsonl_vectors, vector_files
from i3_pyserini.formats.index import EncoderRecord, SourceRecord, read_manifest
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.vector_files import Kind, Shape
from tests.conftest import Run

IDS = [f"p{number}" for number in range(9)]
VECTORS = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
VECTORS[6] = 0  # a vector of zeros is a vector


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_files, "BLOCK", 4)
    monkeypatch.setattr(jsonl_vectors, "BLOCK", 4)


@pytest.fixture
def ids(tmp_path: Path) -> Path:
    path = tmp_path / "ids.txt"
    path.write_text("".join(f"{docid}\n" for docid in IDS), encoding="utf-8")
    return path


def npy(tmp_path: Path, array: Any = VECTORS) -> Path:
    np.save(tmp_path / "vectors.npy", array)
    return tmp_path / "vectors.npy"


def jsonl(path: Path, rows: slice = slice(None), **more: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    records = zip(IDS[rows], VECTORS[rows].tolist(), strict=True)
    lines = [json.dumps({"id": docid, "vector": vector, **more}) for docid, vector in records]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def load(
    vectors: Path, target: Path, ids: Path | None = None, kind: Kind = "faiss", **how: Any
) -> Shape:
    return write_own_vectors(find_vectors(vectors, ids), IndexOutput(target, kind), **how)


def check_index(target: Path) -> None:
    index = faiss.read_index(str(target / "index"))
    np.testing.assert_array_equal(index.reconstruct_n(0, index.ntotal), VECTORS)
    assert (target / "docid").read_text(encoding="utf-8").splitlines() == IDS


def test_an_array_becomes_an_index(tmp_path: Path, ids: Path) -> None:
    assert load(npy(tmp_path), tmp_path / "index", ids, name="my-model") == Shape(9, 4)
    check_index(tmp_path / "index")
    manifest = read_manifest(tmp_path / "index")
    assert manifest.encoder == EncoderRecord(kind="imported", name="my-model", dimension=4)
    assert manifest.source == tuple(
        SourceRecord(file=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
        for path in (tmp_path / "vectors.npy", ids)
    )
    assert (manifest.passages, manifest.dimension, manifest.kind) == (9, 4, "faiss")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_any_float(tmp_path: Path, ids: Path, dtype: str, order: Any) -> None:
    array = np.array(VECTORS, dtype=dtype, order=order)
    load(npy(tmp_path, array), tmp_path / "index", ids)
    index = faiss.read_index(str(tmp_path / "index" / "index"))
    np.testing.assert_array_equal(index.reconstruct_n(0, 9), array.astype(np.float32))
    load(npy(tmp_path, array), tmp_path / "npy", ids, "npy")
    kept = np.load(tmp_path / "npy" / "embeddings.npy", allow_pickle=False)
    assert kept.dtype == ("float16" if dtype == "float16" else "float32")
    assert read_manifest(tmp_path / "npy").store_dtype == kept.dtype.name
    np.testing.assert_array_equal(kept, array.astype(np.float32))


def test_json_lines_of_a_file_and_of_a_folder(tmp_path: Path) -> None:
    load(jsonl(tmp_path / "v.jsonl"), tmp_path / "one")
    jsonl(tmp_path / "many" / "b.jsonl", slice(5, 9))
    jsonl(tmp_path / "many" / "a.json", slice(0, 5))
    (tmp_path / "many" / "README.md").write_text("no vectors", encoding="utf-8")
    load(tmp_path / "many", tmp_path / "two")
    for name in ("one", "two"):
        check_index(tmp_path / name)
        assert read_manifest(tmp_path / name).encoder.name is None
    sources = read_manifest(tmp_path / "two").source
    assert [one.file for one in sources or ()] == ["a.json", "b.jsonl"]


def test_texts_are_kept_in_json_lines(tmp_path: Path) -> None:
    load(jsonl(tmp_path / "v.jsonl", contents="boil an egg"), tmp_path / "out", kind="jsonl")
    lines = (tmp_path / "out" / "embeddings.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[8]) == {
        "id": "p8",
        "contents": "boil an egg",
        "vector": VECTORS[8].tolist(),
    }


def test_an_index_of_stock_pyserini(tmp_path: Path) -> None:
    stock = tmp_path / "stock"
    stock.mkdir()
    index = faiss.IndexFlatIP(4)
    index.add(VECTORS)
    faiss.write_index(index, str(stock / "index"))
    (stock / "docid").write_text("".join(f"{docid}\n" for docid in IDS), encoding="utf-8")
    load(stock, tmp_path / "index")
    for name in ("index", "docid"):
        assert (tmp_path / "index" / name).read_bytes() == (stock / name).read_bytes()
    with pytest.raises(I3Error, match=f"{tmp_path / 'index'}: is an index of this package"):
        find_vectors(tmp_path / "index")


def test_the_same_source_is_the_same_bytes(tmp_path: Path, ids: Path) -> None:
    for name in ("a", "b"):
        load(npy(tmp_path), tmp_path / name, ids, name="m")
    for file in ("index", "docid", "manifest.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize(
    ("value", "dtype"), [(np.nan, "float32"), (-np.inf, "float16"), (1e39, "float64")]
)
@pytest.mark.parametrize("kind", ["faiss", "npy", "jsonl"])
def test_a_vector_that_is_not_finite_is_named(
    tmp_path: Path, ids: Path, value: float, dtype: str, kind: Kind
) -> None:
    array = VECTORS.astype(dtype)
    array[7, 2] = value
    with pytest.raises(
        I3Error, match=r"vectors\.npy: the vector of id 'p7' \(row 7, from 0\) contains"
    ):
        load(npy(tmp_path, array), tmp_path / "index", ids, kind)
    assert not (tmp_path / "index").exists()


def test_a_json_vector_that_is_not_finite_is_named(tmp_path: Path) -> None:
    jsonl(tmp_path / "many" / "a.jsonl", slice(0, 5))
    bad = jsonl(tmp_path / "many" / "b.jsonl", slice(5, 9))
    bad.write_text(
        bad.read_text(encoding="utf-8").replace(str(VECTORS[7].tolist()[0]), "NaN"),
        encoding="utf-8",
    )
    with pytest.raises(
        I3Error, match=r"many: the vector of id 'p7' \(row 7, from 0\) contains a NaN"
    ):
        load(tmp_path / "many", tmp_path / "index")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([*IDS[:8], "p3"], r"ids\.txt, line 9: id 'p3' occurs a second time"),
        (IDS[:8], r"ids\.txt: 8 ids for 9 vectors"),
        ([*IDS, "p9"], r"ids\.txt: 10 ids for 9 vectors"),
        ([*IDS[:8], "p 8"], r"ids\.txt, line 9: id 'p 8' is empty or contains white space"),
        ([*IDS[:4], "", *IDS[5:]], r"ids\.txt, line 5: id '' is empty or contains white space"),
        ([], r"ids\.txt: 0 ids for 9 vectors"),
    ],
)
def test_bad_ids_are_named(tmp_path: Path, ids: Path, lines: list[str], said: str) -> None:
    ids.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    with pytest.raises(I3Error, match=said):
        load(npy(tmp_path), tmp_path / "index", ids)
    assert not (tmp_path / "index").exists()


def test_json_ids_twice_are_named_with_their_file(tmp_path: Path) -> None:
    jsonl(tmp_path / "many" / "a.jsonl", slice(0, 5))
    jsonl(tmp_path / "many" / "b.jsonl", slice(4, 9))
    with pytest.raises(I3Error, match=r"b\.jsonl, line 1: id 'p4' occurs a second time"):
        load(tmp_path / "many", tmp_path / "index")
    (tmp_path / "many" / "b.jsonl").write_text('{"id": "x", "vector": [1]}\n', encoding="utf-8")
    with pytest.raises(
        I3Error, match=r"b\.jsonl: vectors of 1 dimensions, but those of .*a\.jsonl have 4"
    ):
        load(tmp_path / "many", tmp_path / "index")


def test_nothing_in_it(tmp_path: Path, ids: Path) -> None:
    ids.write_text("", encoding="utf-8")
    (tmp_path / "v.jsonl").write_text("\n", encoding="utf-8")
    with pytest.raises(I3Error, match=r"v\.jsonl: no vectors in it"):
        load(tmp_path / "v.jsonl", tmp_path / "index")
    with pytest.raises(I3Error, match=r"vectors\.npy: no vectors in it"):
        load(npy(tmp_path, np.empty((0, 4), np.float32)), tmp_path / "index", ids)
    ids.write_text("a\nb\n", encoding="utf-8")
    with pytest.raises(I3Error, match=r"vectors\.npy: "):
        load(npy(tmp_path, np.empty((2, 0), np.float32)), tmp_path / "index", ids)


def test_what_is_no_source_is_refused(tmp_path: Path, ids: Path) -> None:
    (tmp_path / "index").write_bytes(b"IxFI")
    for path, with_ids, said in (
        (npy(tmp_path), None, r"vectors\.npy: .* ids; .*--ids"),
        (jsonl(tmp_path / "v.jsonl"), ids, r"--ids .*ids\.txt: .*\.npy"),
        (tmp_path / "nowhere.npy", ids, r"--ids .*: .*\.npy"),
        (tmp_path / "nowhere", None, "nowhere: no such file"),
        (tmp_path / "index", None, r"index: neither \.npy nor \.jsonl nor \.parquet nor a folder"),
    ):
        with pytest.raises(I3Error, match=said):
            find_vectors(path, with_ids)
    (tmp_path / "empty").mkdir()
    with pytest.raises(I3Error, match=r"empty: .*index and docid .*\.jsonl"):
        find_vectors(tmp_path / "empty")
    for array, said in (
        (np.ones((9, 4), dtype=np.longdouble), "expected one of float16, float32, float64"),
        (np.ones((9, 4), dtype=np.int8), "expected floats"),
        (np.ones((9, 4, 1)), "expected floats"),
        (np.array([[None]], dtype=object), "not a .npy file that can be memory-mapped"),
    ):
        with pytest.raises(I3Error) as refused:
            find_vectors(npy(tmp_path, array), ids)
        assert said in str(refused.value)
    with pytest.raises(I3Error, match=r"none\.txt: cannot be read \(No such file"):
        load(npy(tmp_path), tmp_path / "out", tmp_path / "none.txt")


def test_the_source_is_not_overwritten(tmp_path: Path, ids: Path) -> None:
    folder = tmp_path / "stock"
    jsonl(folder / "embeddings.jsonl")
    for vectors in (folder, folder / "embeddings.jsonl"):
        source = find_vectors(vectors)
        with pytest.raises(I3Error, match="stock: is given twice"):
            write_own_vectors(source, IndexOutput(folder, overwrite=True))
    assert (folder / "embeddings.jsonl").exists()
    load(npy(tmp_path), tmp_path / "index", ids)
    with pytest.raises(I3Error, match="index: exists and is not empty"):
        load(npy(tmp_path), tmp_path / "index", ids)


def test_import_on_the_command_line(tmp_path: Path, ids: Path, run_module: Run) -> None:
    output = ("--output", tmp_path / "out", "--name", "mine")
    command = ("i3_pyserini", "index", "import", npy(tmp_path), *output)
    done = run_module(*command)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {tmp_path / 'vectors.npy'}: ")
    assert "--ids" in done.stderr
    done = run_module(*command, "--ids", ids)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"wrote {tmp_path / 'out'}: 9 vectors of 4 dimensions\n"
    check_index(tmp_path / "out")
    done = run_module(*command, "--ids", ids, "--overwrite", "--kind", "npy")
    assert done.returncode == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "docid",
        "embeddings.npy",
        "manifest.json",
    ]
    done = run_module("i3_pyserini", "index", "verify", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "mine, not compared" in done.stdout
    assert done.stdout.endswith("\nok\n")
