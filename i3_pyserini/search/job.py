"""Searches for topics and writes a run file."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import faiss
from tqdm import tqdm

from i3_pyserini.encode.flags import QueryFlags
from i3_pyserini.encode.index_encoder import encoder_for, refuse_other_encoder
from i3_pyserini.encode.query_encoders import note_cut
from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.atomic import refuse_existing
from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.encoded_queries import read_encoded_queries
from i3_pyserini.formats.hits import Hits, Scores
from i3_pyserini.formats.index import EncoderRecord
from i3_pyserini.formats.paths import WrittenRun
from i3_pyserini.formats.run_file import Form, new_run
from i3_pyserini.formats.topics import read_topics
from i3_pyserini.search.engine import open_engine, search_engine
from i3_pyserini.search.options import NO_FEEDBACK, Feedback
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.search.speed import Speed, Stopwatch
from i3_pyserini.search.steps import best_passages, moved, without_query

DEFAULT_HITS = 1000


@dataclass(frozen=True)
class Queries:
    """The source of queries.

    Attributes:
        topics: see `read_topics`.
        encoded: see `read_encoded_queries`; None to encode the topics.
        flags: encoder settings.
    """

    topics: str
    encoded: Path | None = None
    flags: QueryFlags = field(default_factory=QueryFlags)


@dataclass(frozen=True)
class Results:
    """The output of a search.

    Attributes:
        path: the run file.
        hits: hits per query; None for 1,000, or all of a smaller index.
        form: "trec" or "msmarco".
        tag: last column of the run; None for the model's name.
        overwrite: replace an existing file.
        remove_query: exclude the passage with the query's id.
        max_passage: delimiter and number of documents; None to write passages.
        speed: file for search times; None for no file.
    """

    path: Path
    hits: int | None = None
    form: Form = "trec"
    tag: str | None = None
    overwrite: bool = False
    remove_query: bool = False
    max_passage: tuple[str, int] | None = None
    speed: Path | None = None

    def of_documents(self, delimiter: str, most: int) -> "Results":
        """The same, with documents instead of passages."""
        return replace(self, max_passage=(delimiter, most))


@dataclass(frozen=True)
class SearchJob:
    """A search.

    Attributes:
        index: the index directory, or an engine's address.
        queries: see `Queries`.
        results: see `Results`.
        collection: collection of an engine; None for a directory.
        parameters: parameters of an approximate index.
        feedback: see `Feedback`.
        batch_size: number of queries searched together.
        threads: number of threads; None for all cores.
    """

    index: str
    queries: Queries
    results: Results
    collection: str | None = None
    parameters: Mapping[str, int] = field(default_factory=dict)
    feedback: Feedback = NO_FEEDBACK
    batch_size: int = 4096
    threads: int | None = None


def run(job: SearchJob) -> WrittenRun:
    """Searches and writes the run, which appears only if everything succeeded.

    Returns:
        The run that was written.

    Raises:
        I3Error: an input is invalid or contradicts another, or the run cannot be written.
    """
    for path in filter(None, (job.results.path, job.results.speed)):
        refuse_existing(path, job.results.overwrite)
    topics = read_topics(job.queries.topics)
    odd = next((qid for qid in topics if qid.split() != [qid]), None)
    if odd is not None:
        raise I3Error(
            f"{job.queries.topics}: query id {odd!r} contains white space, which is not allowed "
            "in a run; rename it"
        )
    if job.threads:
        faiss.omp_set_num_threads(job.threads)
    if job.collection:
        return _run_engine(job, topics, job.index, job.collection)
    searcher = Searcher(job.index, parameters=job.parameters)
    if job.results.hits and job.results.hits > searcher.count:
        note(
            f"{job.index} has only {searcher.count:,} passages; returning that many hits per query"
        )
    watch = Stopwatch()
    vectors, name = _vectors(job, topics, searcher, watch)
    hits = _index_hits(job, searcher, vectors, watch)
    return _write(job, topics, name, hits, searcher.docids, watch)


def tag_of(name: str) -> str:
    """The tag of a run: the last part of a model's name, without spaces.

    Args:
        name: a directory, a hub name, or a directory of the hub's cache.
    """
    path = Path(name).absolute()
    if path.parent.name == "snapshots":  # a hub cache: models--OWNER--NAME/snapshots/HASH
        return path.parent.parent.name.rpartition("--")[2]
    return "_".join(path.name.split()) or "dense"


def _vectors(
    job: SearchJob, topics: Mapping[str, str], searcher: Searcher, watch: Stopwatch
) -> tuple[Scores, str]:
    """The vectors of the topics and the name of their model, checked against the index."""
    if job.queries.encoded:
        vectors, name = _encoded(job.queries.encoded, topics, searcher.made_by, str(searcher.path))
        return searcher.vectors_of(vectors), name
    encoder = searcher.load_encoder(job.queries.flags, job.threads)
    with watch.running():
        vectors = searcher.vectors_of(list(topics.values()))
    note_cut(encoder, len(topics))
    return vectors, encoder.name


def _encoded(
    folder: Path, topics: Mapping[str, str], made_by: EncoderRecord, place: str
) -> tuple[Scores, str]:
    encoded = read_encoded_queries(folder)
    refuse_other_encoder(encoded.made_by, str(folder), made_by, place)
    return encoded.of(topics), encoded.made_by.name or made_by.name or "dense"


def _index_hits(
    job: SearchJob, searcher: Searcher, vectors: Scores, watch: Stopwatch
) -> Iterator[tuple[slice, Hits]]:
    for start in range(0, len(vectors), job.batch_size):
        some = slice(start, start + job.batch_size)
        with watch.running():
            queries = vectors[some]
            if job.feedback.prf_depth:
                queries = moved(queries, searcher, job.feedback)
            hits = searcher.search_arrays(queries, job.results.hits or DEFAULT_HITS)
        yield some, hits


def _run_engine(
    job: SearchJob, topics: Mapping[str, str], address: str, collection: str
) -> WrittenRun:
    engine = open_engine(address)
    hits = job.results.hits or DEFAULT_HITS
    engine.check(collection, None, hits)
    made_by, place = engine.made_by(collection), f"{address}, collection {collection}"
    watch = Stopwatch()
    if job.queries.encoded:
        vectors, name = _encoded(job.queries.encoded, topics, made_by, place)
    else:
        encoder = encoder_for(made_by, place, job.queries.flags, job.threads)
        with watch.running():
            vectors, name = encoder.encode(list(topics.values())), encoder.name
        note_cut(encoder, len(topics))

    def found() -> Iterator[tuple[slice, tuple[Hits, Docids]]]:
        for start in range(0, len(vectors), job.batch_size):
            some = slice(start, start + job.batch_size)
            with watch.running():
                some_found = search_engine(engine, collection, vectors[some], hits)
            yield some, some_found

    written = _write(job, topics, name, found(), None, watch)
    engine.close()
    return written


def _write(
    job: SearchJob,
    topics: Mapping[str, str],
    name: str,
    found: Iterator[tuple[slice, Any]],
    docids: Docids | None,
    watch: Stopwatch,
) -> WrittenRun:
    results, qids, count = job.results, list(topics), 0
    with (
        new_run(
            results.path,
            tag=results.tag or tag_of(name),
            form=results.form,
            overwrite=results.overwrite,
        ) as write,
        tqdm(total=len(qids), desc="search", unit=" queries", delay=2) as bar,
    ):
        for some, part in found:
            hits, ids = part if docids is None else (part, docids)
            hits, ids = _filtered(results, qids[some], hits, ids)
            write(qids[some], hits, ids)
            count += int((hits.rows >= 0).sum())
            bar.update(len(hits))
        if results.speed:  # written before the run appears
            threads = job.threads or os.cpu_count() or 1
            Speed(len(qids), watch.seconds, threads, job.batch_size).write(results.speed)
    return WrittenRun(results.path, f"{len(qids):,} queries, {count:,} hits", len(qids))


def _filtered(
    results: Results, qids: Sequence[str], hits: Hits, docids: Docids
) -> tuple[Hits, Docids]:
    if results.remove_query:
        hits = without_query(hits, qids, docids)
    if results.max_passage:
        return best_passages(hits, docids, *results.max_passage)
    return hits, docids
