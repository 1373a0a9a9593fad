"""A BM25 run, with the stock Lucene of Pyserini."""

import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from i3_pyserini.errors import I3Error, at_least_1, check_tag, note
from i3_pyserini.formats.corpus_options import USUAL, CorpusOptions
from i3_pyserini.formats.paths import AnyPath, NameOrPath, WrittenRun

if TYPE_CHECKING:
    import pandas as pd

    from i3_pyserini.formats.passages import Corpus

KIND = "lucene-bm25"
BATCH = 256  # queries that Lucene searches together
HASH = 8  # digits of the corpus's hash in the name of an index
GENERAL = "corpus"  # a file's name that says nothing: the folder's name does
GENERATOR = ("--collection", "JsonCollection", "--generator", "DefaultLuceneDocumentGenerator")


def search_bm25(
    corpus: AnyPath,
    topics: NameOrPath,
    *,
    output: AnyPath,
    index: AnyPath | None = None,
    hits: int = 1000,
    k1: float = 0.9,
    b: float = 0.4,
    threads: int | None = None,
    tag: str = "bm25",
    overwrite: bool = False,
    corpus_options: CorpusOptions = USUAL,
) -> WrittenRun:
    """Indexes titles and texts of a corpus with Pyserini's Lucene, once, and searches with BM25.

    Args:
        corpus: its file or folder.
        topics: a TSV or JSONL file, or a data set's name.
        output: the run file to write.
        index: made here, or used again; lucene-CORPUS-HASH beside the run by default.
        hits: most hits of a query.
        k1: how much a word's repetition counts.
        b: how much long passages are held back, from 0 to 1.
        threads: all cores by default.
        tag: last column of the run.
        overwrite: replace an older run.
        corpus_options: how the corpus is read, where that is unusual.

    Returns:
        The run that was written.

    Raises:
        I3Error: an input cannot be read, the index is of another corpus, there is no Java, or
            Pyserini failed.
    """
    at_least_1(hits=hits, threads=threads)
    if not k1 >= 0 or not 0 <= b <= 1:
        raise I3Error(f"k1 is {k1:g} and b {b:g}; k1 must be at least 0, b from 0 to 1")
    check_tag(tag)
    from i3_pyserini.formats.atomic import refuse_existing
    from i3_pyserini.formats.passages import Corpus
    from i3_pyserini.formats.run_file import write_run
    from i3_pyserini.formats.topics import read_topics
    from i3_pyserini.search.fusion import hits_of

    output, threads = Path(output), threads or os.cpu_count() or 1
    refuse_existing(output, overwrite)
    queries = read_topics(fspath(topics))
    passages, sha256 = Corpus.from_options(Path(corpus), corpus_options.reading()), None
    if index is None:
        sha256 = corpus_hash(passages)
        index = index_beside(output, Path(corpus), sha256)
    made = make_index(passages, Path(index), threads, sha256)
    print(f"{'wrote' if made else 'found'} {index}", file=sys.stderr)
    qids, found, docids = hits_of(search(Path(index), queries, hits, (k1, b), threads))
    if len(qids) < len(queries):
        note(f"{len(queries) - len(qids)} queries have no hit")
    write_run(output, qids, found, docids, tag=tag, overwrite=overwrite)
    summary = f"{len(qids):,} queries, BM25 with k1 {k1:g} and b {b:g}"
    return WrittenRun(output, summary, len(qids))


def corpus_hash(corpus: "Corpus") -> str:
    """Hash of all lines of a corpus, and of which fields of them are read if that is said."""
    from i3_pyserini.encode.scan import Shard, hash_of

    return _with_options(hash_of(corpus, Shard()), corpus)


def _with_options(sha256: str, corpus: "Corpus") -> str:
    options = corpus.options()
    if options == type(corpus)(corpus.path, sources=corpus.sources).options():
        return sha256
    return hashlib.sha256(f"{sha256} {json.dumps(options)}".encode()).hexdigest()


def index_beside(run: Path, corpus: Path, sha256: str) -> Path:
    """Where the Lucene index of a corpus is by default: beside the run, under the corpus's name.

    The name has the hash of the corpus in it, so that a changed corpus, or another of this name,
    gets an index of its own; that is noted where an index of the same path is there.

    Args:
        run: the run file.
        corpus: the corpus's path.
        sha256: its hash.
    """
    from i3_pyserini.formats.index import read_manifest
    from i3_pyserini.formats.passages import collection_name

    path = corpus.resolve()
    stem = path.name.split(".")[0] or path.name
    name = collection_name(corpus) or (path.parent.name if stem == GENERAL else stem)
    name = re.sub(r"[^\w.-]+", "_", name)
    index = run.parent / f"lucene-{name}-{sha256[:HASH]}"
    if not index.exists():
        for other in sorted(run.parent.glob(f"lucene-*-{'[0-9a-f]' * HASH}")):
            if read_manifest(other).corpus.path == str(path):
                note(f"{corpus} has changed since {other} was made of it; a new index is made")
    return index


def make_index(corpus: "Corpus", index: Path, threads: int, sha256: str | None = None) -> bool:
    """Makes a Lucene index of titles and texts, unless it is there.

    Args:
        corpus: the corpus; every line is checked.
        index: the directory.
        threads: of indexing.
        sha256: see `corpus_hash`; None if it is not known yet.

    Returns:
        Whether it was made.

    Raises:
        I3Error: a line of the corpus is invalid, or an id occurs twice; the directory is something
            else, or of another corpus; Pyserini failed.
    """
    from i3_pyserini.encode.scan import scan
    from i3_pyserini.formats.index import BuiltRecord, CorpusRecord, IndexManifest
    from i3_pyserini.formats.passages import collection_name
    from i3_pyserini.stock.anserini import (
        count_indexed,
        is_same_index,
        new_lucene_index,
        run_pyserini,
    )

    if index.exists():
        return not is_same_index(index, KIND, sha256 or corpus_hash(corpus))
    found = scan(corpus)
    known = IndexManifest(
        built=BuiltRecord(type=KIND),
        corpus=CorpusRecord(
            path=str(corpus.path.resolve()),
            name=collection_name(corpus.path),
            sha256=_with_options(found.sha256, corpus),
        ),
        passages=found.passages,
    )
    with new_lucene_index(index, known) as (texts, target):
        empty = _write_contents(corpus, texts, threads)
        paths = ("--input", str(texts), "--index", str(target), "--threads", str(threads))
        output = run_pyserini("pyserini.index.lucene", *GENERATOR, *paths)
        indexed = count_indexed(output)
        if indexed + empty != found.passages:
            raise I3Error(f"{index}: Lucene indexed {indexed:,} of {found.passages:,} passages")
    return True


def search(
    index: Path, topics: dict[str, str], hits: int, bm25: tuple[float, float], threads: int
) -> "pd.DataFrame":
    """Searches with BM25.

    Topics go to Pyserini under numbers, since it takes the ids of a topics file for numbers where
    it can ("007" becomes 7), and its file's name for a hint.

    Args:
        index: the index.
        topics: query text by query id.
        hits: of a query, at most.
        bm25: k1 and b.
        threads: of searching.

    Returns:
        Columns query_id, doc_id and score, in the order of the topics, and within a query as
        trec_eval ranks: by score, then docid, both descending.

    Raises:
        I3Error: no query has a hit, or Pyserini failed.
    """
    import numpy as np
    import pandas as pd
    import polars as pl

    from i3_pyserini.formats.runs import read_run
    from i3_pyserini.stock.anserini import run_pyserini

    qids = np.array(list(topics), dtype=object)
    lines = [f"{n}\t{' '.join(text.split())}\n" for n, text in enumerate(topics.values())]
    with tempfile.TemporaryDirectory(prefix="i3-") as folder:
        topics_file, run_file = Path(folder) / "topics.tsv", Path(folder) / "run.txt"
        topics_file.write_text("".join(lines), encoding="utf-8")
        run_pyserini(
            "pyserini.search.lucene",
            *("--index", str(index), "--topics", str(topics_file), "--output", str(run_file)),
            *("--bm25", "--k1", str(bm25[0]), "--b", str(bm25[1]), "--hits", str(hits)),
            *("--threads", str(threads), "--batch-size", str(BATCH)),
        )
        if not run_file.is_file() or not run_file.stat().st_size:
            raise I3Error("BM25 finds nothing for any query; are topics and corpus in English?")
        run = read_run(run_file)
    found = run.table.with_columns(pl.col("query_id").cast(pl.Int64)).sort(
        "query_id", maintain_order=True
    )
    return pd.DataFrame(
        {
            "query_id": qids[found["query_id"].to_numpy()],
            "doc_id": found["doc_id"].to_list(),
            "score": found["score"].to_numpy(),
        }
    )


def _write_contents(corpus: "Corpus", folder: Path, files: int) -> int:
    """Writes what Anserini's JsonCollection reads; it has a thread for each file.

    Returns:
        The number of passages without text, which it leaves out.
    """
    empty = 0
    with _open_all([folder / f"{number}.jsonl" for number in range(files)]) as writers:
        for number, passage in enumerate(corpus):
            contents = f"{passage.title}\n{passage.text}" if passage.title else passage.text
            empty += not contents.strip()
            record = {"id": passage.docid, "contents": contents}
            writers[number % files].write(json.dumps(record) + "\n")
    return empty


@contextmanager
def _open_all(paths: list[Path]) -> Iterator[list[TextIO]]:
    with ExitStack() as stack:
        yield [stack.enter_context(path.open("w", encoding="utf-8")) for path in paths]
