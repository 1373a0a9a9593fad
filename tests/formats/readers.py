"""Readers of files, each with a file that it reads: for damaged files and for fuzzing."""

import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.docids import Docids, read_docids
from i3_pyserini.formats.encoded_queries import QUERIES, queries_as_bytes, read_encoded_queries
from i3_pyserini.formats.index import EncoderRecord
from i3_pyserini.formats.jsonl_vectors import read_jsonl_vectors
from i3_pyserini.formats.lines import read_tsv
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.runs import read_run
from i3_pyserini.formats.textstore import open_query_store, open_store
from i3_pyserini.formats.topics import read_topics
from i3_pyserini.formats.vector_files import open_index, open_npy, read_files

IDS, DIMENSION = ["d1", "007", 'say"so"', "日本", "x#1"], 3
VECTORS = np.arange(15, dtype=np.float32).reshape(5, DIMENSION) / np.float32(7)


def npy(array: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def flat() -> bytes:
    index = faiss.IndexFlatIP(DIMENSION)
    index.add(VECTORS)
    content: bytes = faiss.serialize_index(index).tobytes()
    return content


PASSAGES = "".join(
    f'{{"id": "{n}", "title": "t{n}", "text": "a text of {n} é"}}\n' for n in range(5)
).encode()
DOCIDS = "".join(f"{docid}\n" for docid in IDS).encode()


def _vectors_folder(name: str) -> Callable[[Path], object]:
    """Reads the folder of a vector file, with the other file of its kind beside it."""

    def read(path: Path) -> object:
        other = {"docid": ("index", flat()), "index": ("docid", DOCIDS)}.get(name)
        other = other or ("docid", DOCIDS)
        if name != "embeddings.jsonl":
            (path.parent / other[0]).write_bytes(other[1])
        return list(read_files(path.parent)[1])

    return read


def _parquet() -> bytes:
    target = io.BytesIO()
    pl.DataFrame({"id": ["1", "2"], "text": ["a text", "of two"]}).write_parquet(target)
    return target.getvalue()


@dataclass(frozen=True)
class Reader:
    """A reader, and a file that it reads."""

    name: str
    made: bytes | Callable[[], bytes]
    read: Callable[[Path], object]

    @property
    def content(self) -> bytes:
        """The file; made only now if it takes threads, which no process takes along in a fork."""
        return self.made if isinstance(self.made, bytes) else self.made()


READERS = [
    Reader("corpus.jsonl", PASSAGES, lambda path: list(Corpus(path))),
    Reader("corpus.json", PASSAGES, lambda path: list(Corpus(path, ("title", "text")))),
    Reader("corpus.jsonl", PASSAGES, lambda path: open_store(path).size),
    Reader("corpus.tsv", b"1\tt\ta text\n2\tt\tof two\n", lambda path: open_store(path).size),
    Reader("corpus.csv", b'id,title,text\n1,t,"a ""b"""\n2,,"c\nd"\n', lambda p: list(Corpus(p))),
    Reader("headed.tsv", b"id\ttext\ttitle\n1\ta\tt\n2\tb\t\n", lambda p: list(Corpus(p))),
    Reader("corpus.parquet", cache(_parquet), lambda path: list(Corpus(path))),
    Reader("generated.tsv", b"1\ta query\n2\ttwo\n", lambda path: open_query_store(path).size),
    Reader("lines.tsv", b"1\ta\tb\n2\n", lambda path: list(read_tsv(path))),
    Reader("topics.tsv", 'q1\tan egg\nq2\tété, "so"\n'.encode(), lambda p: read_topics(str(p))),
    Reader(
        "topics.txt.gz",
        gzip.compress(b"q1\tan egg\nq2\thot\n", mtime=0),
        lambda path: read_topics(str(path)),
    ),
    Reader(
        "topics.jsonl",
        b'{"id": "q1", "text": "an egg"}\n{"_id": 2, "query": "hot"}\n',
        lambda path: read_topics(str(path)),
    ),
    Reader("qrels.txt", b"q1 0 d1 1\nq1 0 d2 0\nq2 0 d1 -1\n", lambda p: read_qrels(str(p))),
    Reader("qrels.tsv", b"q1\td1\nq2\td1\nq2\td2\n", lambda path: read_qrels(str(path))),
    Reader("run.txt", b"q1 Q0 d1 1 2.5 x\nq1 Q0 d2 2 1.5 x\nq2 Q0 d1 1 1 x\n", read_run),
    Reader("run.tsv", b"q1\td1\t1\nq1\td2\t2\nq2\td1\t1\n", read_run),
    Reader("docid", DOCIDS, lambda path: list(Docids.read(path))),
    Reader("docid", DOCIDS, lambda path: list(read_docids(path))),
    Reader("index", flat(), lambda path: open_index(path).sum()),
    Reader("embeddings.npy", npy(VECTORS), lambda path: open_npy(path).sum()),
    Reader(
        "embeddings.jsonl",
        b'{"id": "d1", "contents": "a", "vector": [1, 0.5]}\n{"id": 2, "vector": [1, 2e-3]}\n',
        lambda path: list(read_jsonl_vectors(path)),
    ),
    *(
        Reader(name, content, _vectors_folder(name))
        for name, content in (
            ("docid", DOCIDS),
            ("index", flat()),
            ("embeddings.npy", npy(VECTORS)),
            (
                "embeddings.jsonl",
                b'{"id": "a", "vector": [1, 0.5]}\n{"id": "b", "vector": [1, 2]}\n',
            ),
        )
    ),
    Reader(
        QUERIES,
        queries_as_bytes(dict.fromkeys(IDS, "a text"), VECTORS, EncoderRecord(fingerprint="f")),
        lambda path: read_encoded_queries(path.parent),
    ),
]
