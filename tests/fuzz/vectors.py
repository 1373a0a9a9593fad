"""Readers of vectors: FAISS, NumPy, JSON lines, Parquet, safetensors, and what lies beside them."""

import io
import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from i3_pyserini.formats.content_hashes import HASH_BYTES, HASHES, read_hashes
from i3_pyserini.formats.encoded_queries import QUERIES, queries_as_bytes, read_encoded_queries
from i3_pyserini.formats.flex import META, VECTORS, open_flex
from i3_pyserini.formats.index import EncoderRecord
from i3_pyserini.formats.parquet_vectors import ParquetIds, parquet_dimension, read_parquet_vectors
from i3_pyserini.formats.parts import Block, DamagedPartError, read_cut, read_part, write_part
from i3_pyserini.formats.quantized import Quantization
from i3_pyserini.formats.vector_files import open_index, open_npy, read_files
from tests.formats.readers import DIMENSION, DOCIDS, IDS, flat, npy
from tests.formats.readers import VECTORS as ARRAY
from tests.fuzz import plain
from tests.fuzz.target import Target, fixed

PASSAGES = len(IDS)
AFTER = b"\n--\n"  # between a header and the data, in an input of safetensors
ENDS = re.compile(rb'"data_offsets"\s*:\s*\[\s*\d+\s*,\s*(\d+)\s*\]')
LONGEST = 1 << 16  # bytes of the data of safetensors
JSONL = b'{"id": "d1", "contents": "a", "vector": [1, 0.5]}\n\n{"id": 2, "vector": [1, 2e-3]}\n'


def in_safetensors(content: bytes) -> bytes:
    """A safetensors file of a header and data, which become as long as the header says."""
    header, _, data = content.partition(AFTER)
    size = min(max(map(int, ENDS.findall(header)), default=0), LONGEST)
    return struct.pack("<Q", len(header)) + header + data[:size].ljust(size, b"\0")


def of_safetensors(file: bytes) -> bytes:
    """The input that becomes a file."""
    (size,) = struct.unpack_from("<Q", file)
    return file[8 : 8 + size].rstrip() + AFTER + file[8 + size :]


def _read_folder(folder: Path) -> tuple[list[str], np.ndarray[Any, Any]]:
    """All vectors; as many as their shape says, and as ids."""
    shape, blocks = read_files(folder)
    read = list(blocks)
    ids = [docid for block in read for docid in block.ids]
    count = sum(len(block.vectors) for block in read)
    assert len(ids) == count == shape.passages, f"{len(ids)} ids, {count} vectors, {shape}"
    assert all(block.vectors.shape[1:] == (shape.dimension,) for block in read), shape
    vectors = [block.vectors for block in read]
    return ids, np.concatenate(vectors) if vectors else np.empty((0, 0), np.float32)


def _index(path: Path) -> object:
    (path.parent / "docid").write_bytes(DOCIDS)
    found = open_index(path)
    assert found.dtype == np.float32 and found.ndim == 2, found.shape
    ids, vectors = _read_folder(path.parent)
    assert ids == IDS, "ids"
    own = path.read_bytes()[-vectors.nbytes :]
    assert vectors.tobytes() == own or not vectors.nbytes, "other numbers"
    return vectors


def _npy(path: Path) -> object:
    (path.parent / "docid").write_bytes(DOCIDS)
    found = open_npy(path)
    assert found.dtype.kind == "f", found.dtype
    ids, vectors = _read_folder(path.parent)
    expected = np.load(path, allow_pickle=False)
    assert ids == IDS and np.array_equal(vectors, expected, equal_nan=True), "other numbers"
    return vectors


def _ids_beside(path: Path) -> object:
    (path.parent / "embeddings.npy").write_bytes(npy(ARRAY))
    ids, vectors = _read_folder(path.parent)
    lines = path.read_bytes().removeprefix(plain.MARK).decode().removesuffix("\n").split("\n")
    assert ids == [line.rstrip() for line in lines], "other ids"
    assert np.array_equal(vectors, ARRAY), "other numbers"
    return ids


def _jsonl(path: Path) -> object:
    ids, vectors = _read_folder(path.parent)
    content = plain.content_of(path)
    if content is None:
        return ids
    records = plain.json_records(content)
    assert ids == [str(one.get("id", one.get("docid"))) for one in records], "ids of other lines"
    with np.errstate(over="ignore"):
        expected = [np.array(one["vector"], dtype=np.float32) for one in records]
    for own, one in zip(vectors, expected, strict=True):
        assert np.array_equal(own, one, equal_nan=True), "other numbers"
    return ids


def _parquet(path: Path) -> object:
    blocks = list(read_parquet_vectors(path))
    ids = [docid for block in blocks for docid in block.ids]
    assert ids == [docid for _, docid in ParquetIds(path)], "ids"
    frame = plain.parquet(path)
    if frame is None:
        return ids
    assert len(ids) == len(frame) == sum(len(block.vectors) for block in blocks), "rows were lost"
    dimension = parquet_dimension(path)
    assert all(block.vectors.shape[1:] == (dimension,) for block in blocks), "dimensions"
    assert all(block.vectors.dtype == np.float32 for block in blocks), "types"
    name = next((name for name in ("vector", "embedding") if name in frame.columns), None)
    if name and ids:
        expected = np.array(frame[name].to_list(), dtype=np.float32)
        own = np.concatenate([block.vectors for block in blocks])
        assert np.array_equal(own, expected, equal_nan=True), "other numbers"
    return ids


def _parquet_files() -> list[bytes]:
    files = []
    for frame in (
        pl.DataFrame({"id": ["1", "2"], "vector": [[0.5, 1.0], [2.0, 3.0]]}),
        pl.DataFrame(
            {"docid": [1, 2], "embedding": [[1, 2], [3, 4]], "text": ["a", "b"]},
            schema_overrides={"embedding": pl.Array(pl.Int8, 2)},
        ),
    ):
        target = io.BytesIO()
        frame.write_parquet(target, compression="uncompressed", statistics=False)
        files.append(target.getvalue())
    return files


def _wrong_parquet() -> list[bytes]:
    files = []
    for column in ([[0.5], [1.0, 2.0]], [[0.5], None], [[0.5], [None]], ["a", "b"]):
        target = io.BytesIO()
        pl.DataFrame({"id": ["1", "2"], "vector": column}).write_parquet(target)
        files.append(target.getvalue())
    return files


def _queries(path: Path) -> object:
    """As documented: float32 [Q, H], a row for each id, every id once."""
    found = read_encoded_queries(path.parent)
    assert found.vectors.dtype == np.float32 and found.vectors.ndim == 2, (
        f"{found.vectors.dtype} {found.vectors.shape}"
    )
    assert list(found.rows.values()) == list(range(len(found.vectors))), "rows"
    tensors = load_tensors(path.read_bytes())
    assert list(found.rows) == tensors["ids"].tobytes().decode().split("\n"), "ids"
    assert np.array_equal(
        found.of(dict.fromkeys(found.rows, "")), tensors["vectors"], equal_nan=True
    )
    assert isinstance(found.made_by, EncoderRecord)
    return list(found.rows)


def _encoded() -> list[bytes]:
    topics = dict.fromkeys(IDS, "a text")
    files = [queries_as_bytes(topics, ARRAY, EncoderRecord(kind="auto", fingerprint="f"))]
    return [of_safetensors(one) for one in [*files, queries_as_bytes(topics, ARRAY)]]


def _wrong_encoded() -> list[bytes]:
    ids = np.frombuffer(b"a\nb", dtype=np.uint8)
    arrays = [ARRAY[:2].astype(np.float64), ARRAY[:2, 0].copy(), ARRAY[:3].copy(), np.float32(1)]
    files = [save_tensors({"ids": ids, "vectors": np.asarray(array)}) for array in arrays]
    files += [save_tensors({"ids": ids}), save_tensors({"ids": ids[:1], "vectors": ARRAY[:2]})]
    for wrong in (b"a\na", b"\xff\nb", b"a\nb\n"):
        files += [
            save_tensors({"ids": np.frombuffer(wrong, np.uint8), "vectors": ARRAY[:2].copy()})
        ]
    return [of_safetensors(one) for one in files]


def _part(path: Path) -> object:
    """What was written, or damaged; nothing between."""
    try:
        block: Block | None = read_part(path, "job")
        read_cut(path)
    except DamagedPartError:
        block = None
    if block is not None:
        assert block.ids == IDS and np.array_equal(block.vectors, ARRAY), (
            "neither whole nor damaged"
        )
    try:
        cut = read_cut(path)
    except DamagedPartError:
        return None
    assert cut is None or isinstance(cut, int)
    return block


def _parts() -> list[bytes]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part"
        write_part(path, "job", IDS, ARRAY, 2)
        return [of_safetensors(path.read_bytes())]


def _flex(path: Path) -> object:
    (path.parent / VECTORS).write_bytes(ARRAY.astype("<f4").tobytes())
    found = open_flex(path.parent)
    assert np.array_equal(found, ARRAY) or found.shape != ARRAY.shape, "other numbers"
    assert found.size == ARRAY.size, "numbers were lost"
    return found.shape


def _hashes(path: Path) -> object:
    found = read_hashes(path.parent, 3)
    assert found is not None and found.shape == (3, HASH_BYTES) and found.dtype == np.uint8
    assert np.array_equal(found, np.load(path, allow_pickle=False)), "other hashes"
    return found


def _ranges(path: Path) -> object:
    found = Quantization.of("uint8", path)
    assert found.ranges is not None
    low, high = found.ranges
    assert (low <= high).all(), "a range that ends before it begins"
    codes = np.array([[0, 128, 255]], dtype=np.uint8)
    size = found.dimension(codes)
    vectors = found.floats(codes)
    assert vectors.shape == (1, size) and vectors.dtype == np.float32, vectors.shape
    return vectors


TARGETS = [
    Target(
        "faiss",
        "index",
        _index,
        lambda: [flat()],
        lambda: [
            *(flat()[:-1], flat() + b"\0", b"IxFI"),
            # More vectors than there can be, of no dimension: no byte is missing.
            b"IxFI" + struct.pack("<iq", 0, 1 << 62) + b"\0" * 29,
        ],
    ),
    Target(
        "npy",
        "embeddings.npy",
        _npy,
        lambda: [npy(ARRAY), npy(ARRAY.astype(np.float16)), npy(np.asfortranarray(ARRAY))],
        lambda: [npy(ARRAY.astype(int)), npy(ARRAY[0]), npy(ARRAY)[:-3], npy(ARRAY[:4])],
    ),
    Target(
        "ids-of-vectors", "docid", _ids_beside, fixed(DOCIDS), fixed(DOCIDS + b"more\n", b"d1\n")
    ),
    Target(
        "jsonl-vectors",
        "embeddings.jsonl",
        _jsonl,
        fixed(JSONL),
        fixed(
            JSONL + b'{"id": 3, "vector": [1]}',
            b'{"id": 3, "vector": [true]}',
            b'{"id": 3, "vector": [%s]}' % (b"9" * 400),
            b'{"id": 3, "vector": []}',
            b'{"id": "a b", "vector": [1]}',
            b'{"vector": [1]}',
        ),
    ),
    Target("parquet-vectors", "v.parquet", _parquet, _parquet_files, _wrong_parquet),
    Target("encoded-queries", QUERIES, _queries, _encoded, _wrong_encoded, in_safetensors),
    Target("part", "part", _part, _parts, wrap=in_safetensors),
    Target(
        "flex",
        META,
        _flex,
        lambda: [json.dumps({"doc_count": PASSAGES, "vec_size": DIMENSION}).encode()],
        fixed(b"{}", b'{"doc_count": -5, "vec_size": -3}', b'{"doc_count": 5, "vec_size": 4}'),
    ),
    Target(
        "hashes",
        HASHES,
        _hashes,
        lambda: [npy(np.arange(48, dtype=np.uint8).reshape(3, HASH_BYTES))],
        lambda: [npy(np.zeros((2, HASH_BYTES), np.uint8)), npy(np.zeros((3, 16), np.int8))],
    ),
    Target(
        "ranges",
        "ranges.npy",
        _ranges,
        lambda: [npy(np.array([[0, 0, -1], [1, 2, 3]], np.float32))],
        lambda: [
            npy(np.array([[1.0], [0.0]])),
            npy(ARRAY),
            npy(np.array([[np.nan], [1.0]])),
            npy(np.array([[0.0], [1.0]], np.float32)),
        ],
    ),
]
