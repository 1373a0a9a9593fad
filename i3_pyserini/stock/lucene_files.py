"""Lucene indexes of vectors, and queries for stock Pyserini's dense search.

Anserini's reader of vectors wants them in fields `docid` and `vector`, and says that all is well
when it finds none. `python -m pyserini.index.lucene` 1.6.0 does not come to its indexers of
vectors, so these are run here without it.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import new_file
from i3_pyserini.formats.encoded_queries import EncodedQueries
from i3_pyserini.formats.first_dimensions import refuse_shortened
from i3_pyserini.formats.index import BuiltRecord, IndexManifest, read_manifest
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.vector_files import read_files
from i3_pyserini.stock.anserini import count_indexed, new_lucene_index, run_anserini

MAINS = {
    "flat": "io.anserini.index.IndexFlatDenseVectors",
    "hnsw": "io.anserini.index.IndexHnswDenseVectors",
}
COLLECTION = ("-collection", "JsonDenseVectorCollection")
GENERATOR = ("-generator", "DenseVectorDocumentGenerator")
UNIT = 1e-3  # how far from 1 a vector's length may be, for "of unit length"
READERS = ("beir", "cacm")  # stock Pyserini takes a path with one of these for another format


def index_vectors(
    vectors: Path, index: Path, kind: str, parameters: dict[str, int], threads: int
) -> int:
    """Makes a Lucene index of vectors; none of them are kept in memory.

    Args:
        vectors: a folder with files of one of the kinds of `vector_files`.
        index: the directory, which must not exist.
        kind: "flat" or "hnsw".
        parameters: of the indexer, such as `{"M": 16, "efC": 100}`.
        threads: of indexing.

    Returns:
        The number of passages.

    Raises:
        I3Error: something is in the way, the vectors are damaged, or Anserini failed.
    """
    if index.exists():
        raise I3Error(f"{index}: exists; remove it, or choose another name")
    shape, blocks = read_files(vectors)
    made_by = read_manifest(vectors)
    refuse_shortened(made_by, str(vectors))
    known = IndexManifest(
        built=BuiltRecord(type=f"lucene-{kind}", parameters=parameters),
        encoder=made_by.encoder,
        corpus=made_by.corpus,
        passages=shape.passages,
        dimension=shape.dimension,
    )
    with new_lucene_index(index, known) as (texts, target):
        _write_vectors(_noted(blocks), texts, threads)
        options = [text for name, value in parameters.items() for text in (f"-{name}", str(value))]
        output = run_anserini(
            MAINS[kind],
            *COLLECTION,
            *GENERATOR,
            *("-input", str(texts), "-index", str(target), "-threads", str(threads)),
            *options,
        )
        indexed = count_indexed(output)
        if indexed != shape.passages:
            raise I3Error(f"{index}: Lucene indexed {indexed:,} of {shape.passages:,} vectors")
    return shape.passages


def write_topics(queries: EncodedQueries, path: Path, overwrite: bool = False) -> None:
    """Writes encoded queries as topics whose text is the vector, as stock dense search wants.

    Args:
        queries: the queries.
        path: a `.jsonl` file.
        overwrite: replace an older file.

    Raises:
        I3Error: stock Pyserini would misread the file's name or a query's id; or it cannot be
            written.
    """
    if path.suffix != ".jsonl" or any(name in str(path) for name in READERS):
        raise I3Error(
            f"{path}: must end with .jsonl, with neither {' nor '.join(READERS)} in it, for stock "
            "Pyserini to read it as what it is"
        )
    for qid in queries.rows:
        if qid.isdigit() and not (qid.isascii() and str(int(qid)) == qid):
            raise I3Error(f"query id {qid!r}: stock Pyserini would read it as a number; rename it")
    with new_file(path, overwrite) as file:
        for qid, row in queries.rows.items():
            vector = json.dumps(queries.vectors[row].tolist())
            file.write(json.dumps({"qid": qid, "title": vector}) + "\n")


def _write_vectors(blocks: Iterable[Block], folder: Path, files: int) -> None:
    """Writes what Anserini's reader of vectors wants; it has a thread for each file."""
    with ExitStack() as stack:
        writers = [
            stack.enter_context(path.open("w", encoding="utf-8", newline="\n"))
            for path in (folder / f"{number}.jsonl" for number in range(files))
        ]
        number = 0
        for block in blocks:
            for docid, vector in zip(block.ids, block.vectors.tolist(), strict=True):
                record = {"docid": docid, "vector": vector}
                writers[number % files].write(json.dumps(record) + "\n")
                number += 1


def _noted(blocks: Iterable[Block]) -> Iterator[Block]:
    """The blocks; says so if their vectors are not of unit length, when all are read."""
    farthest = 0.0
    for block in blocks:
        lengths = np.linalg.norm(block.vectors.astype(np.float32), axis=1)
        farthest = max(farthest, float(np.abs(lengths - 1).max(initial=0)))
        yield block
    if farthest > UNIT:
        print(
            "note: not all vectors are of unit length; Lucene scores (1 + inner product) / 2, and "
            "ranks all below -1 alike",
            file=sys.stderr,
        )
