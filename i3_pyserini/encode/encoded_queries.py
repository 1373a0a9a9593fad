"""Encoding topics, and the file of encoded queries that Pyserini reads."""

import os
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pandas as pd
from tqdm import tqdm

from i3_pyserini.encode.encoders import I3QueryEncoder
from i3_pyserini.encode.output import read_manifest
from i3_pyserini.encode.query_file import PICKLE, QUERIES, queries_as_bytes
from i3_pyserini.errors import I3Error
from i3_pyserini.model.fingerprint import fingerprint

Vectors = np.ndarray[Any, np.dtype[np.float32]]


def encode_topics(topics: dict[str, str], encoder: I3QueryEncoder, batch_size: int) -> Vectors:
    """Encodes queries.

    Args:
        topics: query text by query id.
        encoder: the encoder.
        batch_size: queries that go through the model together.

    Returns:
        float32 [queries, H], in the order of `topics`.
    """
    texts = list(topics.values())
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    vectors = np.empty((len(texts), encoder.model.config.hidden_size), dtype=np.float32)
    starts = range(0, len(order), batch_size)
    for start in tqdm(starts, desc="encode", unit="batch", delay=2):
        rows = order[start : start + batch_size]
        vectors[rows] = encoder.encode_batch([texts[row] for row in rows])
    return vectors


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


def check_index(index: Path, encoder: I3QueryEncoder) -> None:
    """Compares an index with the model that encodes the queries.

    Raises:
        I3Error: there is no index, or it is of another dimension or another model.
    """
    if not (index / "index").is_file() or not (index / "docid").is_file():
        raise I3Error(f"{index}: no index here (files 'index' and 'docid')")
    try:
        dimension = faiss.read_index(str(index / "index"), faiss.IO_FLAG_MMAP).d
    except RuntimeError as error:
        raise I3Error(f"{index}/index: FAISS cannot read it; encode the corpus again") from error
    hidden = encoder.model.config.hidden_size
    if dimension != hidden:
        raise I3Error(f"{index}: vectors of {dimension} dimensions, but the model's have {hidden}")
    made_by = read_manifest(index).get("model", {})
    own = fingerprint(Path(encoder.name))
    if made_by.get("fingerprint") and own and made_by["fingerprint"] != own:
        raise I3Error(
            f"{index}: encoded by another model ({made_by.get('name')}) than {encoder.name}; "
            "their vectors cannot be compared"
        )
