"""Encodes corpora and topics, and merges, imports, exports and verifies indexes."""

from typing import TYPE_CHECKING

from i3_pyserini.lazy import lazy_names

if TYPE_CHECKING:
    from i3_pyserini.encode.corpus import ComputeOptions, encode_corpus, estimate_encoding
    from i3_pyserini.encode.encoder import Encoder, create, load
    from i3_pyserini.encode.flags import EncoderOptions, QueryOptions
    from i3_pyserini.encode.indexes import (
        export_index,
        import_vectors,
        merge_shards,
        verify_index,
    )
    from i3_pyserini.encode.topics import encode_topics

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ComputeOptions": "corpus",
        "Encoder": "encoder",
        "EncoderOptions": "flags",
        "QueryOptions": "flags",
        "create": "encoder",
        "encode_corpus": "corpus",
        "encode_topics": "topics",
        "estimate_encoding": "corpus",
        "export_index": "indexes",
        "import_vectors": "indexes",
        "load": "encoder",
        "merge_shards": "indexes",
        "verify_index": "indexes",
    },
)

__all__ = [
    "ComputeOptions",
    "Encoder",
    "EncoderOptions",
    "QueryOptions",
    "create",
    "encode_corpus",
    "encode_topics",
    "estimate_encoding",
    "export_index",
    "import_vectors",
    "load",
    "merge_shards",
    "verify_index",
]
