"""The file of encoded queries that Pyserini reads, and our own beside it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from i3_pyserini.encode.query_file import PICKLE, QUERIES, queries_as_bytes
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import new_bytes, refuse_existing, replacing
from i3_pyserini.formats.index import EncoderRecord

Vectors = np.ndarray[Any, np.dtype[np.float32]]


def save_queries(
    directory: Path,
    topics: dict[str, str],
    vectors: Vectors,
    overwrite: bool = False,
    made_by: EncoderRecord | None = None,
) -> None:
    """Writes `embedding.pkl` as `pyserini.encode.query` does, and the same for our own search.

    Args:
        directory: the folder that `--encoded-queries` names.
        topics: query text by query id.
        vectors: float32 [queries, H].
        overwrite: replace an older file.
        made_by: the encoder, as in an index's manifest; None if it is not known.

    Raises:
        I3Error: it exists, or cannot be written.
    """
    target = directory / PICKLE
    refuse_existing(target, overwrite)
    if "bpr" in str(directory):
        raise I3Error(
            f"{directory}: stock Pyserini takes a path with 'bpr' for binary codes; rename it"
        )
    content = queries_as_bytes(topics, vectors, made_by)
    frame = pd.DataFrame(
        {"id": list(topics), "text": list(topics.values()), "embedding": list(vectors)}
    )
    with new_bytes(directory / QUERIES, overwrite=True) as file:
        file.write(content)
    with replacing(target) as partial:
        frame.to_pickle(partial)
