"""Rows of Parquet files, as a stream of batches."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.compression import is_compressed, open_bytes

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
        try:
            # Not `*`, `?` and `[`, but the path itself.
            frame = pl.scan_parquet(file, glob=False)
            schema = frame.collect_schema()
            columns = [
                pl.col(name).cast(pl.String) if schema[name] == pl.Binary else pl.col(name)
                for name in choose(schema.names())
            ]
            batches = frame.select(columns).collect_batches(
                chunk_size=BATCH, maintain_order=True, lazy=True
            )
            for batch in batches:
                for record in batch.iter_rows(named=True):
                    number += 1
                    yield number, record
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            reason = " ".join(str(error).split())
            raise I3Error(
                f"{path}: not a valid Parquet file after row {number} ({reason:.200})"
            ) from error


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
