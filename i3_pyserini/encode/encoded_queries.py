"""The file of encoded queries that Pyserini reads, and our own beside it."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from i3_pyserini.encode.query_file import PICKLE, QUERIES, queries_as_bytes
from i3_pyserini.errors import I3Error

Vectors = np.ndarray[Any, np.dtype[np.float32]]


def save_queries(
    directory: Path,
    topics: dict[str, str],
    vectors: Vectors,
    overwrite: bool = False,
    model: str | None = None,
) -> None:
    """Writes `embedding.pkl` as `pyserini.encode.query` does, and the same for our own search.

    Args:
        directory: the folder that `--encoded-queries` names.
        topics: query text by query id.
        vectors: float32 [queries, H].
        overwrite: replace an older file.
        model: fingerprint of the model.

    Raises:
        I3Error: it exists, or cannot be written.
    """
    target = directory / PICKLE
    if target.exists() and not overwrite:
        raise I3Error(f"{target}: exists; choose another --output, or --overwrite")
    if "bpr" in str(directory):
        raise I3Error(
            f"{directory}: stock Pyserini takes a path with 'bpr' for binary codes; rename it"
        )
    content = queries_as_bytes(topics, vectors, model)
    frame = pd.DataFrame(
        {"id": list(topics), "text": list(topics.values()), "embedding": list(vectors)}
    )
    partial = target.with_name(f".embedding.partial-{os.getpid()}")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, write in (
            (directory / QUERIES, lambda: partial.write_bytes(content)),
            (target, lambda: frame.to_pickle(partial)),
        ):
            write()
            partial.replace(path)
    except OSError as error:
        raise I3Error(f"{target}: cannot be written ({error.strerror or error})") from error
    finally:
        partial.unlink(missing_ok=True)
