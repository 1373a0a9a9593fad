"""Parquet files of vectors: a column `id`, a column `vector` of floats, and any others."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.docids import IdFile
from i3_pyserini.formats.names import find
from i3_pyserini.formats.parquet import BATCH, parquet_batches, sound_parquet
from i3_pyserini.formats.parts import Array, Block
from i3_pyserini.formats.passage_fields import ID_FIELDS, checked_id, listed

VECTOR = ("vector", "embedding", "embeddings")


@dataclass(frozen=True)
class ParquetIds(IdFile):
    """The ids of a Parquet file of vectors, by row from 1 on."""

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Yields row numbers and ids.

        Raises:
            I3Error: an id is invalid.
        """
        row = 0
        for frame in _batches(self.path, ("id",)):
            for value in frame["id"].to_list():
                row += 1
                yield row, _id(value, self.path, row)


def read_parquet_vectors(path: Path) -> Iterator[Block]:
    """The vectors of a file in blocks.

    Raises:
        I3Error: it is not a Parquet file, has no ids and vectors, or vectors of several dimensions.
    """
    row, dimension = 0, parquet_dimension(path)
    for frame in _batches(path, ("id", "vector")):
        ids = [_id(value, path, row + n) for n, value in enumerate(frame["id"].to_list(), start=1)]
        yield Block(ids, _array(frame["vector"], dimension, path, row))
        row += len(frame)


def parquet_dimension(path: Path) -> int:
    """Numbers in the first vector; 0 where there is none.

    Raises:
        I3Error: see `read_parquet_vectors`.
    """
    for frame in _batches(path, ("vector",)):
        first = frame["vector"][0]
        if first is None:
            raise I3Error(f"{path}, row 1: no vector")
        return len(first)
    return 0


def write_parquet(
    path: Path,
    schema: Mapping[str, Any],
    frames: Callable[[], Iterator[pl.DataFrame]],
    description: str,
) -> None:
    """Writes frames as row groups, with one of them in memory at a time.

    Args:
        path: the file.
        schema: types by column.
        frames: makes the frames, in order.
        description: a text for the file's metadata, key `i3_pyserini`.

    Raises:
        I3Error: what `frames` raises.
        OSError: writing failed.
    """
    from polars.io.plugins import register_io_source  # noqa: PLC0415  (of newer versions only)

    raised: list[I3Error] = []

    def source(*_: object) -> Iterator[pl.DataFrame]:
        try:
            yield from frames()
        except I3Error as error:  # polars would wrap it
            raised.append(error)
            raise

    try:
        register_io_source(source, schema=dict(schema)).sink_parquet(
            path,
            row_group_size=BATCH,
            maintain_order=True,
            metadata={"i3_pyserini": description},
        )
    except pl.exceptions.PolarsError as error:
        if raised:
            raise raised[0] from error
        raise OSError(str(error)) from error


def _batches(path: Path, wanted: tuple[str, ...]) -> Iterator[pl.DataFrame]:
    """The wanted columns, by these names."""
    with sound_parquet(path):
        frame = pl.scan_parquet(path, glob=False)
        names = frame.collect_schema().names()
    known = {"id": ID_FIELDS, "vector": VECTOR}
    found = {name: find(known[name], names) for name in wanted}
    for name, own in found.items():
        if own is None:
            expected = " or ".join(map(repr, known[name]))
            raise I3Error(f"{path}: no column {expected}; it has {listed(names)}")
    columns = frame.select([pl.col(str(own)).alias(name) for name, own in found.items()])
    yield from parquet_batches(columns, path)


def _id(value: Any, path: Path, row: int) -> str:
    try:
        return checked_id(value)
    except I3Error as error:
        raise I3Error(f"{path}, row {row}: {error}") from error


def _array(column: pl.Series, dimension: int, path: Path, row: int) -> Array:
    """float32 [N, H]."""
    if isinstance(column.dtype, pl.Array):
        column = column.arr.to_list()
    if not isinstance(column.dtype, pl.List) or not column.dtype.inner.is_numeric():
        raise I3Error(f"{path}: column of vectors is {column.dtype}; expected lists of numbers")
    other = (column.list.len() != dimension).fill_null(True) | column.list.eval(
        pl.element().is_null()
    ).list.any()
    if other.any():
        bad = int(other.arg_true()[0])
        raise I3Error(f"{path}, row {row + bad + 1}: expected a vector of {dimension} numbers")
    flat = column.explode().to_numpy().astype(np.float32)
    return np.ascontiguousarray(flat.reshape(len(column), dimension))
