"""Encodes topics once, for searches without a model."""

from dataclasses import replace
from os import fspath
from pathlib import Path

from i3_pyserini.encode.flags import AS_PASSAGES, QueryOptions
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.paths import AnyPath, NameOrPath, Written


def encode_topics(
    topics: NameOrPath,
    *,
    output: AnyPath,
    model: NameOrPath | None = None,
    index: AnyPath | None = None,
    queries: QueryOptions = AS_PASSAGES,
    overwrite: bool = False,
) -> Written:
    """Encodes topics once, for the option --encoded-queries of this package and of stock Pyserini.

    Args:
        topics: a TSV, CSV or JSONL file, or a name such as dl19-passage.
        output: the folder to write.
        model: a model directory or hub name. Default: the model named in the index.
        index: the index to search; queries are encoded with the settings of its passages.
        queries: settings that override those of the index and the model.
        overwrite: replace existing vectors.

    Returns:
        The folder.

    Raises:
        I3Error: neither model nor index is given, the topics cannot be read, or the model's
            settings contradict those of the index.
    """
    if model is None and index is None:
        raise I3Error("expected model, or the index to search")
    from i3_pyserini.encode.index_encoder import (
        check_index,
        encoder_for,
        quickest_device,
        record_of,
    )
    from i3_pyserini.encode.query_encoders import note_cut
    from i3_pyserini.formats.encoded_queries import check_folder, save_queries
    from i3_pyserini.formats.index import EncoderRecord, read_manifest
    from i3_pyserini.formats.topics import read_topics

    check_folder(Path(output), overwrite)
    texts = read_topics(fspath(topics))
    queries = replace(queries, device=quickest_device(queries.device))
    flags = queries.flags(None if model is None else fspath(model))
    made_by = read_manifest(Path(index)).encoder if index else EncoderRecord()
    encoder = encoder_for(made_by, fspath(index) if index else None, flags)
    if index is not None:
        check_index(Path(index), encoder)
    vectors = encoder.encode(list(texts.values()))
    note_cut(encoder, len(texts))
    save_queries(Path(output), texts, vectors, overwrite, record_of(encoder))
    return Written(Path(output), f"{len(texts):,} queries of {vectors.shape[1]} dimensions")
