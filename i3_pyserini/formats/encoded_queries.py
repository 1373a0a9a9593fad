"""Encoded queries: a safetensors file, and the pickle for stock Pyserini."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import new_bytes, refuse_existing, replacing
from i3_pyserini.formats.index import EncoderRecord, read_manifest
from i3_pyserini.formats.parts import Array, read_arrays
from i3_pyserini.formats.vector_files import FILES, read_files

QUERIES = "queries.safetensors"
PICKLE = "embedding.pkl"
# Keys of its header: the encoder's record, and the fingerprint alone, which older versions read.
ENCODER, MODEL = "encoder", "model"


@dataclass(frozen=True)
class EncodedQueries:
    """Queries that a model has encoded.

    Attributes:
        path: their folder.
        rows: row of each query id.
        vectors: float32 [Q, H].
        made_by: the encoder, as in an index's manifest; an empty record if it is not known.
    """

    path: Path
    rows: Mapping[str, int]
    vectors: Array
    made_by: EncoderRecord

    def of(self, topics: Mapping[str, str]) -> Array:
        """The vectors of some topics, float32 [topics, H].

        Raises:
            I3Error: a topic has no vector.
        """
        missing = next((qid for qid in topics if qid not in self.rows), None)
        if missing is not None:
            raise I3Error(
                f"{self.path}: no vector of query {missing!r}; encode these topics with "
                "i3-pyserini encode-topics"
            )
        return self.vectors[[self.rows[qid] for qid in topics]]


def check_folder(directory: Path, overwrite: bool = False) -> None:
    """Raises if encoded queries cannot be written there; call it before they are encoded.

    Raises:
        I3Error: there are some already, or stock Pyserini would take them for something else.
    """
    refuse_existing(directory / PICKLE, overwrite)
    if "bpr" in str(directory):
        raise I3Error(
            f"{directory}: stock Pyserini takes a path with 'bpr' for binary codes; rename it"
        )


def save_queries(
    directory: Path,
    topics: dict[str, str],
    vectors: Array,
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
    import pandas as pd  # noqa: PLC0415  (half a second that reading need not pay)

    target = directory / PICKLE
    check_folder(directory, overwrite)
    content = queries_as_bytes(topics, vectors, made_by)
    frame = pd.DataFrame(
        {"id": list(topics), "text": list(topics.values()), "embedding": list(vectors)}
    )
    with new_bytes(directory / QUERIES, overwrite=True) as file:
        file.write(content)
    with replacing(target) as partial:
        frame.to_pickle(partial)


def queries_as_bytes(
    topics: Mapping[str, str], vectors: Array, made_by: EncoderRecord | None = None
) -> bytes:
    """The content of a `queries.safetensors`.

    Args:
        topics: query text by query id.
        vectors: float32 [queries, H].
        made_by: the encoder; None if it is not known.
    """
    ids = np.frombuffer("\n".join(topics).encode("utf-8"), dtype=np.uint8)
    # One entry: safetensors writes several in random order, and equal queries are equal files.
    header = {ENCODER: json.dumps(made_by.to_json())} if made_by else {}
    return save({"ids": ids, "vectors": np.ascontiguousarray(vectors)}, metadata=header)


def read_encoded_queries(folder: Path) -> EncodedQueries:
    """Reads encoded queries.

    Args:
        folder: what `encode-topics` wrote; or vectors in one of the formats of
            `vector_files`, whose ids are query ids.

    Raises:
        I3Error: there are none, or only a pickle, or they are damaged.
    """
    path = folder / QUERIES
    if path.is_file():
        return _read(folder, path)
    if (folder / PICKLE).is_file():
        raise I3Error(
            f"{folder}: only {PICKLE} is here, and reading a pickle can execute code; encode the "
            "topics again with i3-pyserini encode-topics, or search with stock Pyserini"
        )
    if any((folder / names[0]).is_file() for names in FILES.values()):
        made_by = _encoder_of_vectors(folder)
        blocks = list(read_files(folder)[1])
        ids = [docid for block in blocks for docid in block.ids]
        vectors = np.concatenate([block.vectors for block in blocks]).astype(np.float32)
        return EncodedQueries(folder, _rows(ids, folder), vectors, made_by)
    state = "no encoded queries here" if folder.is_dir() else "no such folder"
    raise I3Error(f"{folder}: {state}; see i3-pyserini encode-topics")


def _read(folder: Path, path: Path) -> EncodedQueries:
    try:
        with safe_open(path, framework="numpy") as file:
            made_by = _encoder_of_header(file.metadata() or {}, path)
            tensors = read_arrays(file, {"ids": ("U8",), "vectors": ("F32",)})
        names = tensors["ids"].tobytes().decode("utf-8").split("\n")
    except (OSError, SafetensorError, UnicodeDecodeError) as error:
        raise I3Error(f"{path}: damaged ({error}); encode the topics again") from error
    vectors = tensors["vectors"]
    if vectors.ndim != 2 or len(names) != len(vectors):  # noqa: PLR2004  ([Q, H])
        shape = list(vectors.shape)
        raise I3Error(f"{path}: damaged ({len(names)} ids for vectors of shape {shape})")
    return EncodedQueries(folder, _rows(names, path), vectors, made_by)


def _encoder_of_header(header: Mapping[str, str], path: Path) -> EncoderRecord:
    if ENCODER not in header:
        return EncoderRecord(fingerprint=header.get(MODEL))
    try:
        return EncoderRecord.from_json(json.loads(header[ENCODER]), f"{path}, {ENCODER}")
    except ValueError as error:
        raise I3Error(f"{path}: damaged ({error}); encode the topics again") from error


def _encoder_of_vectors(folder: Path) -> EncoderRecord:
    """What encoded vectors that are to be queries: as passages, if they were encoded as an index.

    Raises:
        I3Error: as passages of an I³ model, which are not encoded as its queries are.
    """
    made_by = read_manifest(folder).encoder
    if made_by.kind == "i3":
        raise I3Error(
            f"{folder}: vectors of passages, but an I³ model encodes queries differently; encode "
            "the topics with i3-pyserini encode-topics"
        )
    return replace(made_by, query_prompt=made_by.passage_prompt)


def _rows(ids: list[str], path: Path) -> dict[str, int]:
    rows = {qid: row for row, qid in enumerate(ids)}
    if len(rows) < len(ids):
        twice = next(qid for row, qid in enumerate(ids) if rows[qid] != row)
        raise I3Error(f"{path}: query id {twice!r} occurs a second time")
    return rows
