import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats import jsonl_vectors, vector_files
from i3_pyserini.formats.jsonl_vectors import read_jsonl_vectors
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.vector_files import (
    FILES,
    Kind,
    Shape,
    kind_of,
    open_index,
    open_npy,
    read_array,
    read_files,
    write_files,
)

KINDS: list[Kind] = ["faiss", "jsonl", "npy"]
IDS = [f"d{number}" for number in range(11)]
# Numbers that have no short decimal form, the smallest and the largest that float32 can hold:
VECTORS = np.random.default_rng(0).normal(size=(11, 3)).astype(np.float32)
VECTORS[4] = np.array([3.4028235e38, 1e-45, -0.0], dtype=np.float32)
SHAPE = Shape(11, 3)


def blocks() -> Iterator[Block]:
    for start in (0, 4, 8):
        rows = slice(start, start + 4)
        yield Block(IDS[rows], VECTORS[rows], [f"text {docid}" for docid in IDS[rows]])


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_files, "BLOCK", 3)
    monkeypatch.setattr(jsonl_vectors, "BLOCK", 3)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read_again(tmp_path: Path, kind: Kind) -> None:
    write_files(kind, tmp_path, blocks(), SHAPE)
    assert kind_of(tmp_path) == kind
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES[kind])
    shape, found = read_files(tmp_path)
    assert shape == SHAPE
    read = list(found)
    assert [len(block.ids) for block in read] == [3, 3, 3, 2]
    assert [docid for block in read for docid in block.ids] == IDS
    np.testing.assert_array_equal(np.concatenate([block.vectors for block in read]), VECTORS)
    texts = [f"text {docid}" for docid in IDS] if kind == "jsonl" else None
    assert [one.contents for one in read if one.contents is None] == [None] * (4 * (not texts))
    assert texts is None or [text for one in read for text in one.contents or ()] == texts


def test_an_index_is_the_file_that_faiss_writes(tmp_path: Path) -> None:
    for dimension, passages in ((3, 11), (1, 1), (769, 5)):
        vectors = np.random.default_rng(1).normal(size=(passages, dimension)).astype(np.float32)
        block = Block([f"d{number}" for number in range(passages)], vectors)
        write_files("faiss", tmp_path, [block], Shape(passages, dimension))
        index = faiss.IndexFlatIP(dimension)
        index.add(vectors)
        faiss.write_index(index, str(tmp_path / "by-faiss"))
        assert (tmp_path / "index").read_bytes() == (tmp_path / "by-faiss").read_bytes()
        np.testing.assert_array_equal(open_index(tmp_path / "by-faiss"), vectors)


def test_halves_become_the_same_numbers_in_an_index(tmp_path: Path) -> None:
    halves = VECTORS[5:].astype(np.float16)
    write_files("faiss", tmp_path, [Block(IDS[5:], halves)], Shape(6, 3))
    np.testing.assert_array_equal(open_index(tmp_path / "index"), halves)
    write_files("npy", tmp_path, [Block(IDS[5:], halves)], Shape(6, 3), "float16")
    array = np.load(tmp_path / "embeddings.npy", allow_pickle=False)
    assert array.dtype == np.float16
    np.testing.assert_array_equal(array, halves)


def test_other_indexes_are_refused(tmp_path: Path) -> None:
    other = faiss.IndexFlatL2(3)
    other.add(VECTORS)
    faiss.write_index(other, str(tmp_path / "l2"))
    (tmp_path / "empty").touch()
    for name in ("l2", "empty"):
        with pytest.raises(I3Error, match=rf"{name}: not a FAISS flat inner-product index"):
            open_index(tmp_path / name)
    with pytest.raises(I3Error, match=r"nowhere: cannot be read \(No such file"):
        open_index(tmp_path / "nowhere")
    write_files("faiss", tmp_path, blocks(), SHAPE)
    with (tmp_path / "index").open("r+b") as file:
        file.truncate(45 + 11 * 3 * 4 - 1)
    with pytest.raises(I3Error, match=r"index: .*177 bytes, got 176"):
        open_index(tmp_path / "index")


def test_numbers_below_zero_whose_product_is_right(tmp_path: Path) -> None:
    write_files("faiss", tmp_path, blocks(), SHAPE)
    path = tmp_path / "index"
    content = bytearray(path.read_bytes())
    struct.pack_into("<iq", content, 4, -SHAPE.dimension, -SHAPE.passages)
    path.write_bytes(content)
    with pytest.raises(I3Error, match=r"index: damaged \(-11 vectors of -3 dimensions\)"):
        open_index(path)


def test_other_arrays_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "embeddings.npy"
    for array, said in (
        (np.array([{"a": 1}], dtype=object), r"not a \.npy file that can be memory-mapped"),
        (np.ones((2, 3), dtype=np.int64), r"int64 \[2, 3\]; expected floats"),
        (np.ones(3, dtype=np.float32), r"float32 \[3\]; expected floats"),
    ):
        np.save(path, array, allow_pickle=True)
        with pytest.raises(I3Error, match=said):
            open_npy(path)
    np.save(path, VECTORS)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)
    with pytest.raises(I3Error, match=r"not a \.npy file that can be memory-mapped"):
        open_npy(path)
    for content in (b"", b"PK\x03\x04 no archive", b"text"):
        path.write_bytes(content)
        with pytest.raises(I3Error, match=r"embeddings\.npy: not a \.npy file"):
            open_npy(path)


def test_as_many_ids_as_vectors(tmp_path: Path) -> None:
    path = tmp_path / "docid"
    path.write_text("\n".join(IDS[:-1]) + "\n", encoding="utf-8")
    with pytest.raises(I3Error, match="docid: 10 ids for 11 vectors"):
        list(read_array(VECTORS, path))
    path.write_text("\n".join([*IDS, "one-more"]) + "\n", encoding="utf-8")
    with pytest.raises(I3Error, match="docid: more ids than the 11 vectors"):
        list(read_array(VECTORS, path))


def test_json_lines_of_others(tmp_path: Path) -> None:
    path = tmp_path / "v.jsonl"
    path.write_text(
        '{"docid": 7, "vector": [1, 2.5]}\n\n{"id": "b", "vector": [1e300, NaN]}\n',
        encoding="utf-8",
    )
    (block,) = read_jsonl_vectors(path)
    assert (block.ids, block.contents) == (["7", "b"], ["", ""])
    np.testing.assert_array_equal(block.vectors, np.array([[1, 2.5], [np.inf, np.nan]], np.float32))


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"vector": [1, 2]}, r"no usable 'id' \(None\)"),
        ({"id": "", "vector": [1, 2]}, r"no usable 'id' \(''\)"),
        ({"id": "a b", "vector": [1, 2]}, "no usable 'id'"),
        ({"id": True, "vector": [1, 2]}, "no usable 'id'"),
        ({"id": "a"}, "no 'vector' that is a list of numbers"),
        ({"id": "a", "vector": {"egg": 1.5}}, "no 'vector' that is a list of numbers"),
        ({"id": "a", "vector": []}, "no 'vector' that is a list of numbers"),
        ({"id": "a", "vector": [1, "2"]}, "no 'vector' that is a list of numbers"),
        ({"id": "a", "vector": [1, True]}, "no 'vector' that is a list of numbers"),
        ({"id": "a", "vector": [1, [2]]}, "no 'vector' that is a list of numbers"),
        ({"id": "a", "vector": [1]}, "1 numbers, but 2 on the lines before"),
        ({"id": "a", "vector": [1, 10**400]}, "a number of 'vector' has too many digits"),
    ],
)
def test_bad_json_lines_are_named(tmp_path: Path, record: dict[str, Any], said: str) -> None:
    path = tmp_path / "embeddings.jsonl"
    path.write_text('{"id": "1", "vector": [1, 2]}\n' + json.dumps(record) + "\n", encoding="utf-8")
    with pytest.raises(I3Error, match=rf"embeddings\.jsonl, line 2: {said}"):
        list(read_jsonl_vectors(path))


def test_a_line_that_was_cut_off_is_named(tmp_path: Path) -> None:
    write_files("jsonl", tmp_path, blocks(), SHAPE)
    path = tmp_path / "embeddings.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(I3Error, match=r"embeddings\.jsonl, line 11: not valid JSON"):
        read_files(tmp_path)


def test_a_folder_without_vectors(tmp_path: Path) -> None:
    (tmp_path / "docid").write_text("d1\n", encoding="utf-8")
    with pytest.raises(I3Error, match=r"no vectors here \(expected one of: index and docid; "):
        kind_of(tmp_path)
