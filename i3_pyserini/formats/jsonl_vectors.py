"""JSON lines of vectors as Pyserini and Anserini read them: `id`, `vector`, maybe `contents`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.lines import read_jsonl
from i3_pyserini.formats.parts import Array, Block

BLOCK = 4096


def read_jsonl_vectors(path: Path) -> Iterator[Block]:
    """Blocks of the lines, each with `contents` (empty where a line has none).

    Numbers that float32 cannot hold become infinite.

    Raises:
        I3Error: a line is invalid; names file and line.
    """
    ids: list[str] = []
    vectors: list[Array] = []
    contents: list[str] = []
    dimension = None
    for number, record in read_jsonl(path):
        place = f"{path}, line {number}"
        ids.append(_docid(record, place))
        vectors.append(_vector(record, place, dimension))
        contents.append(str(record.get("contents") or ""))
        dimension = len(vectors[-1])
        if len(ids) == BLOCK:
            yield Block(ids, np.stack(vectors), contents)
            ids, vectors, contents = [], [], []
    if ids:
        yield Block(ids, np.stack(vectors), contents)


def read_jsonl_ids(path: Path) -> Iterator[tuple[int, str]]:
    """Line numbers and ids alone.

    Raises:
        I3Error: a line is not JSON or has no id.
    """
    for number, record in read_jsonl(path):
        yield number, _docid(record, f"{path}, line {number}")


def first_dimension(path: Path) -> int:
    """Numbers in the first vector; 0 where there is none.

    Raises:
        I3Error: the first line is invalid.
    """
    for number, record in read_jsonl(path):
        return len(_vector(record, f"{path}, line {number}", None))
    return 0


def _docid(record: Mapping[str, Any], place: str) -> str:
    docid = record.get("id", record.get("docid"))
    usable = isinstance(docid, str | int) and not isinstance(docid, bool)
    if not usable or not str(docid) or str(docid) != "".join(str(docid).split()):
        raise I3Error(f"{place}: no usable 'id' ({docid!r})")
    return str(docid)


def _vector(record: Mapping[str, Any], place: str, dimension: int | None) -> Array:
    vector = record.get("vector")
    if not isinstance(vector, list) or not vector or not {*map(type, vector)} <= {int, float}:
        raise I3Error(f"{place}: no 'vector' that is a list of numbers")
    if dimension is not None and len(vector) != dimension:
        raise I3Error(f"{place}: {len(vector)} numbers, but {dimension} on the lines before")
    try:
        with np.errstate(over="ignore"):
            return np.array(vector, dtype=np.float32)
    except OverflowError as error:
        raise I3Error(f"{place}: a number of 'vector' has too many digits") from error
