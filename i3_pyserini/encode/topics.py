"""Encoding topics once, for searches without a model."""

from os import fspath
from pathlib import Path
from typing import Literal

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.paths import AnyPath, NameOrPath
from i3_pyserini.formats.written import Written


def encode_topics(
    topics: NameOrPath,
    *,
    output: AnyPath,
    model: NameOrPath | None = None,
    index: AnyPath | None = None,
    encoder_class: Literal["i3", "auto"] | None = None,
    pooling: str | None = None,
    l2_norm: bool | None = None,
    query_prefix: str | None = None,
    device: str | None = None,
    overwrite: bool = False,
) -> Written:
    """Encodes topics once, for --encoded-queries of our search and of stock Pyserini's.

    Args:
        topics: a TSV or JSONL file, or a name such as dl19-passage.
        output: folder for embedding.pkl.
        model: a model directory or hub name; the one that the index names by default.
        index: the index to be searched; queries are encoded as its passages were.
        encoder_class: "i3", or "auto" for any other Hugging Face encoder.
        pooling: of the token vectors, as the passages' by default.
        l2_norm: scale vectors to unit length, likewise.
        query_prefix: put before every query, with a blank between.
        device: such as "cuda:0"; the first GPU by default, or else the CPU.
        overwrite: replace older vectors.

    Returns:
        The folder.

    Raises:
        I3Error: neither model nor index is named, the topics cannot be read, or the model encodes
            otherwise than the index's passages were.
    """
    if model is None and index is None:
        raise I3Error("name the model, or the index to be searched")
    from i3_pyserini.encode.index_encoder import (
        QueryFlags,
        check_index,
        encoder_for,
        quickest_device,
        record_of,
    )
    from i3_pyserini.encode.query_encoders import note_cut
    from i3_pyserini.formats.encoded_queries import save_queries
    from i3_pyserini.formats.index import EncoderRecord, read_manifest
    from i3_pyserini.formats.topics import read_topics

    queries = read_topics(fspath(topics))
    name = None if model is None else fspath(model)
    flags = QueryFlags(name, encoder_class, quickest_device(device), pooling, l2_norm, query_prefix)
    made_by = read_manifest(Path(index)).encoder if index else EncoderRecord()
    encoder = encoder_for(made_by, fspath(index) if index else None, flags)
    if index is not None:
        check_index(Path(index), encoder)
    vectors = encoder.encode(list(queries.values()))
    note_cut(encoder, len(queries))
    save_queries(Path(output), queries, vectors, overwrite, record_of(encoder))
    return Written(Path(output), f"{len(queries):,} queries of {vectors.shape[1]} dimensions")
