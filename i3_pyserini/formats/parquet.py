"""Rows of Parquet files, as a stream of batches."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.compression import is_compressed, open_bytes

if TYPE_CHECKING:
    import polars as pl

BATCH = 4096  # rows


def read_parquet(
    path: Path, choose: Callable[[Sequence[str]], Sequence[str]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields `(row number, record)` from 1 on; a batch of rows is in memory at a time.

    Args:
        path: the file; one that is compressed as a whole is decompressed to a temporary file.
        choose: given the names of all columns, those that are read.

    Raises:
        I3Error: it cannot be read or is no Parquet file; what `choose` raises.
    """
    import polars as pl  # noqa: PLC0415  (slow to import, and most corpora are JSON lines)

    number = 0
    with _plain(path) as file:
        with sound_parquet(path):
            # Not `*`, `?` and `[`, but the path itself.
            frame = pl.scan_parquet(file, glob=False)
            schema = frame.collect_schema()
        columns = [
            pl.col(name).cast(pl.String) if schema[name] == pl.Binary else pl.col(name)
            for name in choose(schema.names())
        ]
        for batch in parquet_batches(frame.select(columns), path):
            for record in batch.iter_rows(named=True):
                number += 1
                yield number, record


def parquet_batches(frame: "pl.LazyFrame", path: Path) -> Iterator["pl.DataFrame"]:
    """The rows of a scanned file, `BATCH` of them in memory at a time.

    Raises:
        I3Error: the file is damaged.
    """
    import polars as pl  # noqa: PLC0415  (slow to import)

    read = 0
    with sound_parquet(path):
        declared: int = frame.select(pl.len()).collect().item()
        for batch in frame.collect_batches(chunk_size=BATCH, maintain_order=True, lazy=True):
            read += len(batch)
            yield batch
    if read != declared:  # if one of polars' threads fails, the batches end without an error
        raise I3Error(f"{path}: damaged: {read:,} of {declared:,} rows can be read")


@contextmanager
def sound_parquet(path: Path) -> Iterator[None]:
    """Turns what polars raises for a damaged file into a line that names it.

    Raises:
        I3Error: the file is damaged.
    """
    import polars as pl  # noqa: PLC0415  (slow to import)

    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = " ".join(str(error).split())
        raise I3Error(f"{path}: not a valid Parquet file ({reason:.200})") from error


@contextmanager
def _plain(path: Path) -> Iterator[Path]:
    if not is_compressed(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="i3-", ignore_cleanup_errors=True) as folder:
        plain = Path(folder) / "plain.parquet"
        with open_bytes(path) as compressed, plain.open("wb") as file:
            shutil.copyfileobj(compressed, file)
        yield plain
