"""Encoded queries in a file that is safe to read, beside the pickle that stock Pyserini wants."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.parts import Array
from i3_pyserini.formats.vector_files import FILES, read_files

QUERIES = "queries.safetensors"
PICKLE = "embedding.pkl"


@dataclass(frozen=True)
class EncodedQueries:
    """Queries that a model has encoded.

    Attributes:
        path: the folder that they are in.
        rows: row of each query id.
        vectors: float32 [Q, H].
        fingerprint: of the model; None if it is not known.
    """

    path: Path
    rows: Mapping[str, int]
    vectors: Array
    fingerprint: str | None

    def of(self, topics: Mapping[str, str]) -> Array:
        """The vectors of some topics, float32 [topics, H].

        Raises:
            I3Error: one is not there.
        """
        missing = next((qid for qid in topics if qid not in self.rows), None)
        if missing is not None:
            raise I3Error(
                f"{self.path}: no vector of query {missing!r}; encode these topics with "
                "i3_pyserini.encode.query"
            )
        return self.vectors[[self.rows[qid] for qid in topics]]


def queries_as_bytes(topics: Mapping[str, str], vectors: Array, fingerprint: str | None) -> bytes:
    """The content of a `queries.safetensors`.

    Args:
        topics: query text by query id.
        vectors: float32 [queries, H].
        fingerprint: of the model.
    """
    ids = np.frombuffer("\n".join(topics).encode("utf-8"), dtype=np.uint8)
    header = {"model": fingerprint} if fingerprint else {}
    return save({"ids": ids, "vectors": np.ascontiguousarray(vectors)}, metadata=header)


def read_encoded_queries(folder: Path) -> EncodedQueries:
    """Reads encoded queries.

    Args:
        folder: what `i3_pyserini.encode.query` wrote; or vectors in one of the formats of
            `vector_files`, whose ids are query ids.

    Raises:
        I3Error: there are none, or only a pickle, or they are damaged.
    """
    path = folder / QUERIES
    if path.is_file():
        return _read(folder, path)
    if (folder / PICKLE).is_file():
        raise I3Error(
            f"{folder}: only {PICKLE} is here, and reading a pickle runs what is in it; encode the "
            "topics again with i3_pyserini.encode.query, or search with stock Pyserini"
        )
    if any((folder / names[0]).is_file() for names in FILES.values()):
        blocks = list(read_files(folder)[1])
        ids = [docid for block in blocks for docid in block.ids]
        vectors = np.concatenate([block.vectors for block in blocks]).astype(np.float32)
        return EncodedQueries(folder, _rows(ids, folder), vectors, None)
    state = "no encoded queries here" if folder.is_dir() else "no such folder"
    raise I3Error(f"{folder}: {state}; see i3_pyserini.encode.query")


def _read(folder: Path, path: Path) -> EncodedQueries:
    try:
        with safe_open(path, framework="numpy") as file:
            model = (file.metadata() or {}).get("model")
            ids, vectors = file.get_tensor("ids"), file.get_tensor("vectors")
        names = ids.tobytes().decode("utf-8").split("\n")
    except (OSError, SafetensorError, UnicodeDecodeError) as error:
        raise I3Error(f"{path}: damaged ({error}); encode the topics again") from error
    if len(names) != len(vectors):
        raise I3Error(f"{path}: damaged ({len(names)} ids for {len(vectors)} vectors)")
    return EncodedQueries(folder, _rows(names, path), vectors, model)


def _rows(ids: list[str], path: Path) -> dict[str, int]:
    rows = {qid: row for row, qid in enumerate(ids)}
    if len(rows) < len(ids):
        twice = next(qid for row, qid in enumerate(ids) if rows[qid] != row)
        raise I3Error(f"{path}: query id {twice!r} occurs a second time")
    return rows
