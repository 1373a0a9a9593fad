"""Vectors that sentence-transformers quantized, as an index of floats."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.quantized import Quantization
from tests.conftest import Run

VECTORS = np.random.default_rng(0).normal(size=(9, 16)).astype(np.float32)
VECTORS[:, 3] = 0.5  # a dimension that says nothing
RANGES = np.stack([VECTORS.min(axis=0), VECTORS.max(axis=0)])


def quantized(precision: Any, ranges: Any = None) -> Any:
    pytest.importorskip("sentence_transformers", reason="needs sentence-transformers")
    from sentence_transformers.util.quantization import quantize_embeddings

    return quantize_embeddings(VECTORS, precision=precision, ranges=ranges)


@pytest.fixture
def flags(tmp_path: Path) -> list[object]:
    """What all imports have; `codes.npy` is written by the test."""
    ids = tmp_path / "ids.txt"
    ids.write_text("".join(f"p{number}\n" for number in range(9)), encoding="utf-8")
    np.save(tmp_path / "ranges.npy", RANGES)
    output = ("--ids", ids, "--output", tmp_path / "index")
    return ["index", "import", tmp_path / "codes.npy", *output]


def stored(folder: Path) -> Any:
    index = faiss.read_index(str(folder / "index"))
    return index.reconstruct_n(0, index.ntotal)


@pytest.mark.parametrize("precision", ["int8", "uint8"])
def test_bytes(tmp_path: Path, flags: list[object], precision: str, run_module: Run) -> None:
    np.save(tmp_path / "codes.npy", quantized(precision, RANGES))
    flags += ["--quantized", precision, "--ranges", tmp_path / "ranges.npy"]
    done = run_module("i3_pyserini", *flags, check=True)
    assert "9 vectors of 16 dimensions" in done.stdout
    manifest = json.loads((tmp_path / "index" / "manifest.json").read_text(encoding="utf-8"))
    found = [(one["file"], one.get("quantized")) for one in manifest["source"]]
    assert found == [("codes.npy", precision), ("ids.txt", None), ("ranges.npy", None)]
    half_a_step = (RANGES[1] - RANGES[0]) / 255 / 2
    assert (np.abs(stored(tmp_path / "index") - VECTORS) <= half_a_step + 1e-6).all()


@pytest.mark.parametrize("precision", ["binary", "ubinary"])
def test_bits(tmp_path: Path, flags: list[object], precision: str, run_module: Run) -> None:
    np.save(tmp_path / "codes.npy", quantized(precision))
    run_module("i3_pyserini", *flags, "--quantized", precision, check=True)
    np.testing.assert_allclose(stored(tmp_path / "index"), np.where(VECTORS > 0, 0.25, -0.25))


@pytest.mark.parametrize(
    ("codes", "more", "said"),
    [
        (np.int8, ["--quantized", "int8"], "--quantized int8: give the ranges"),
        (np.int8, ["--quantized", "uint8", "--ranges", "RANGES"], "int8; --quantized uint8 expect"),
        (np.uint8, ["--quantized", "binary"], "uint8; --quantized binary expects int8"),
        (np.int8, ["--quantized", "binary", "--ranges", "RANGES"], "not for binary, which has"),
        (np.float32, ["--quantized", "binary"], "float32 [9, 8]; expected integers"),
        (np.int8, ["--ranges", "RANGES"], "only with --quantized"),
        (np.int8, [], "int8 [9, 8]; expected floats"),
        (np.int8, ["--quantized", "int8", "--ranges", "RANGES"], "8 dimensions, but "),
        (np.int8, ["--quantized", "int8", "--ranges", "CODES"], "int8 [9, 8]; expected floats"),
    ],
)
def test_mistakes(
    tmp_path: Path, flags: list[object], codes: Any, more: list[str], said: str, run_module: Run
) -> None:
    np.save(tmp_path / "codes.npy", np.ones((9, 8), dtype=codes))
    places = {"RANGES": tmp_path / "ranges.npy", "CODES": tmp_path / "codes.npy"}
    done = run_module("i3_pyserini", *flags, *(places.get(word, word) for word in more))
    assert done.returncode == 2 and said in done.stderr
    assert not (tmp_path / "index").exists()


def test_only_arrays_are_quantized(tmp_path: Path, flags: list[object], run_module: Run) -> None:
    path = tmp_path / "vectors.jsonl"
    path.write_text('{"id": "1", "vector": [1]}\n', encoding="utf-8")
    done = run_module("i3_pyserini", "index", "import", path, *flags[3:], "--quantized", "binary")
    assert done.returncode == 2 and "--quantized binary: only for .npy files" in done.stderr


def test_ranges_are_smallest_and_largest(tmp_path: Path) -> None:
    for wrong in (RANGES[::-1], RANGES[:1]):
        np.save(tmp_path / "wrong.npy", wrong)
        with pytest.raises(I3Error, match="smallest values and largest values"):
            Quantization.of("int8", tmp_path / "wrong.npy")
    with pytest.raises(I3Error, match="--quantized int4: expected one of int8"):
        Quantization.of("int4", None)  # type: ignore[arg-type]  # the mistake
