import json
import struct
from pathlib import Path

import numpy as np
import pytest

from i3_pyserini.encode.own_vectors import find_vectors, write_own_vectors
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.encoded_queries import (
    QUERIES,
    queries_as_bytes,
    read_encoded_queries,
    save_queries,
)
from i3_pyserini.formats.index import EncoderRecord
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.parts import DamagedPartError, read_part

TOPICS = {"q1": "an egg", "q ü": "hot water"}
VECTORS = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32)


def test_there_and_back(tmp_path: Path) -> None:
    save_queries(
        tmp_path / "queries",
        TOPICS,
        VECTORS,
        made_by=EncoderRecord(fingerprint="f" * 64, pooling="mean"),
    )
    encoded = read_encoded_queries(tmp_path / "queries")
    assert encoded.made_by == EncoderRecord(fingerprint="f" * 64, pooling="mean")
    np.testing.assert_array_equal(encoded.of({"q ü": "", "q1": ""}), VECTORS[::-1])
    with pytest.raises(I3Error, match="no vector of query 'q3'"):
        encoded.of({"q1": "", "q3": ""})


def test_the_same_queries_are_the_same_bytes() -> None:
    made_by = EncoderRecord(fingerprint="f" * 64, pooling="mean")
    assert len({queries_as_bytes(TOPICS, VECTORS, made_by) for _ in range(9)}) == 1


def test_a_pickle_alone_is_not_read(tmp_path: Path) -> None:
    save_queries(tmp_path, TOPICS, VECTORS)
    (tmp_path / QUERIES).unlink()
    with pytest.raises(I3Error, match="reading a pickle can execute code"):
        read_encoded_queries(tmp_path)


def test_vectors_of_queries_from_elsewhere(tmp_path: Path) -> None:
    np.save(tmp_path / "own.npy", VECTORS)
    (tmp_path / "ids.txt").write_text("q1\nq2\n", encoding="utf-8")
    source = find_vectors(tmp_path / "own.npy", tmp_path / "ids.txt")
    write_own_vectors(source, IndexOutput(tmp_path / "queries", "npy"))
    encoded = read_encoded_queries(tmp_path / "queries")
    np.testing.assert_array_equal(encoded.of({"q2": ""}), VECTORS[1:])
    assert encoded.made_by.fingerprint is None


def test_damage(tmp_path: Path) -> None:
    save_queries(tmp_path / "queries", TOPICS, VECTORS)
    path = tmp_path / "queries" / QUERIES
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(I3Error, match="damaged"):
        read_encoded_queries(tmp_path / "queries")
    for folder, said in ((tmp_path / "absent", "no such folder"), (tmp_path, "no encoded queries")):
        with pytest.raises(I3Error, match=said):
            read_encoded_queries(folder)


def _header(kind: str, shape: list[int], size: int) -> bytes:
    """A safetensors file of two ids, and vectors of a type that NumPy may not have."""
    header = {
        "ids": {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]},
        "vectors": {"dtype": kind, "shape": shape, "data_offsets": [3, 3 + size]},
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"a\nb" + bytes(size)


@pytest.mark.parametrize(
    ("kind", "shape", "size"),
    [
        ("BF16", [2, 1], 4),
        ("F8_E4M3", [2, 1], 2),
        ("F64", [2, 1], 16),
        ("I32", [2, 1], 8),
        ("F32", [2], 8),
        ("F32", [], 4),
        ("F32", [2, 1, 1], 8),
    ],
)
def test_other_numbers_than_those_of_vectors(
    tmp_path: Path, kind: str, shape: list[int], size: int
) -> None:
    (tmp_path / QUERIES).write_bytes(_header(kind, shape, size))
    with pytest.raises(I3Error, match=r"queries\.safetensors: damaged"):
        read_encoded_queries(tmp_path)
    with pytest.raises(DamagedPartError):
        read_part(tmp_path / QUERIES, "job")
