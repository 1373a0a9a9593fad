"""Converts vectors for the dense Lucene search of stock Pyserini."""

from pathlib import Path
from typing import Literal

from i3_pyserini.errors import at_least_1
from i3_pyserini.formats.paths import AnyPath, Written
from i3_pyserini.threads import thread_count


def build_lucene_index(
    vectors: AnyPath,
    *,
    output: AnyPath,
    type: Literal["flat", "hnsw"] = "flat",  # noqa: A002  (the option's name)
    m: int = 16,
    ef_construction: int = 100,
    threads: int | None = None,
) -> Written:
    """Writes vectors to a Lucene index, for `python -m pyserini.search.lucene --dense`.

    Args:
        vectors: a directory of encoded vectors, in any format.
        output: the Lucene index to write.
        type: "flat" for exact search, "hnsw" for a graph.
        m: neighbors per node in the graph.
        ef_construction: search breadth while building the graph.
        threads: number of threads. Default: one for each usable CPU.

    Returns:
        The index that was written.

    Raises:
        I3Error: the vectors are damaged, the output exists, Java is missing, or Anserini failed.
    """
    at_least_1(m=m, ef_construction=ef_construction, threads=threads)
    from i3_pyserini.stock.lucene_files import index_vectors

    folder, parameters = Path(output), {"M": m, "efC": ef_construction} if type == "hnsw" else {}
    cores = thread_count(threads)
    passages = index_vectors(Path(vectors), folder, type, parameters, cores)
    return Written(
        folder,
        f"{passages:,} passages; search it with python -m pyserini.search.lucene --dense --{type} "
        f"--index {folder}",
    )


def write_lucene_topics(queries: AnyPath, *, output: AnyPath, overwrite: bool = False) -> Written:
    """Writes encoded queries as topics for `python -m pyserini.search.lucene --dense`.

    Args:
        queries: folder of encoded queries.
        output: the .jsonl file to write.
        overwrite: replace an existing file.

    Returns:
        The file that was written.

    Raises:
        I3Error: there are no encoded queries, or stock Pyserini would misread the file name or a
            query id.
    """
    from i3_pyserini.formats.encoded_queries import read_encoded_queries
    from i3_pyserini.stock.lucene_files import write_topics

    encoded = read_encoded_queries(Path(queries))
    write_topics(encoded, Path(output), overwrite)
    return Written(Path(output), f"{len(encoded.rows):,} queries")
