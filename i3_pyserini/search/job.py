"""A search from topics to a run file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import faiss
from tqdm import tqdm

from i3_pyserini.encode.query_encoders import (
    Kind,
    QueryEncoder,
    QueryOptions,
    kind_of,
    load_query_encoder,
)
from i3_pyserini.encode.query_file import read_encoded_queries
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import refuse_existing
from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.hits import Hits, Scores
from i3_pyserini.formats.run_file import Form, new_run
from i3_pyserini.formats.topics import read_topics
from i3_pyserini.search.feedback import Feedback, moved
from i3_pyserini.search.filters import best_passages, without_query
from i3_pyserini.search.searcher import Searcher

DEFAULT_HITS = 1000


@dataclass(frozen=True)
class Queries:
    """Where queries come from.

    Attributes:
        topics: see `read_topics`.
        encoded: see `read_encoded_queries`; None to encode the topics.
        encoder: a model; None for the one that the index's manifest names.
        kind: see `load_query_encoder`.
        device: likewise.
        pooling: of an "auto" encoder; None for what the manifest says, or else "cls".
        l2_norm: likewise; None for what the manifest says, or else no.
        prefix: of an "auto" encoder.
    """

    topics: str
    encoded: Path | None = None
    encoder: str | None = None
    kind: Kind | None = None
    device: str | None = None
    pooling: str | None = None
    l2_norm: bool | None = None
    prefix: str | None = None


@dataclass(frozen=True)
class Results:
    """What is written.

    Attributes:
        path: the run file.
        hits: of a query; None for 1,000, or all of a smaller index.
        form: "trec" or "msmarco".
        tag: last column.
        overwrite: replace an older file.
        remove_query: leave out the passage that has the query's id.
        max_passage: delimiter and number of documents; None to write passages.
    """

    path: Path
    hits: int | None = None
    form: Form = "trec"
    tag: str = "i3"
    overwrite: bool = False
    remove_query: bool = False
    max_passage: tuple[str, int] | None = None


@dataclass(frozen=True)
class SearchJob:
    """A search.

    Attributes:
        index: the index directory; None for an engine.
        engine: an engine's address, and the name of what was loaded into it.
        queries: see `Queries`.
        results: see `Results`.
        parameters: of an approximate index.
        feedback: None for none.
        batch_size: queries that are searched together.
        threads: None for all cores.
    """

    index: Path | None
    queries: Queries
    results: Results
    engine: tuple[str, str] | None = None
    parameters: Mapping[str, int] = field(default_factory=dict)
    feedback: Feedback | None = None
    batch_size: int = 4096
    threads: int | None = None


def run(job: SearchJob) -> str:
    """Searches, and writes the run; nothing is there under its name if anything is wrong.

    Returns:
        What was done, as words for the user.

    Raises:
        I3Error: an input is not as it should be or does not fit the others, or the run cannot be
            written.
    """
    refuse_existing(job.results.path, job.results.overwrite)
    topics = read_topics(job.queries.topics)
    odd = next((qid for qid in topics if qid.split() != [qid]), None)
    if odd is not None:
        raise I3Error(
            f"{job.queries.topics}: query id {odd!r} has white space in it, which a run cannot "
            "hold; rename it"
        )
    if job.threads:
        faiss.omp_set_num_threads(job.threads)
    if job.engine:
        return _run_engine(job, topics, *job.engine)
    assert job.index is not None  # noqa: S101  (the one or the other)
    searcher = Searcher(job.index, parameters=job.parameters)
    vectors = _vectors(job, topics, searcher.manifest, searcher)
    return _write(job, topics, _index_hits(job, searcher, vectors), searcher.docids)


def choose_encoder(
    queries: Queries, manifest: Mapping[str, Any], threads: int | None
) -> QueryEncoder:
    """The encoder that the user named, or else the manifest; with the passages' pooling.

    Raises:
        I3Error: there is none, or it would pool otherwise than the passages were.
    """
    made_by: dict[str, Any] = manifest.get("model") or {}
    name = queries.encoder or made_by.get("name")
    if not name or (not queries.encoder and made_by.get("class") == "imported"):
        raise I3Error("name the model with --encoder: the index does not say what made it")
    kind = queries.kind or kind_of(name)
    if kind == "i3" and (queries.pooling or queries.l2_norm or queries.prefix):
        raise I3Error("--pooling, --l2-norm and --query-prefix are in an I³ model's configuration")
    given = {"pooling": queries.pooling, "l2_norm": queries.l2_norm}
    for option, value in given.items():
        known = made_by.get(option)
        if made_by.get("class") == "auto" and value is not None and value != known:
            raise I3Error(
                f"--{option.replace('_', '-')} {value}: the index's passages have {known}; leave "
                "it out to encode queries alike"
            )
    options = QueryOptions(
        queries.pooling or made_by.get("pooling", "cls"),
        bool(made_by.get("l2_norm", False) if queries.l2_norm is None else queries.l2_norm),
        queries.prefix,
    )
    return load_query_encoder(name, kind, queries.device, options, threads)


def _vectors(
    job: SearchJob,
    topics: Mapping[str, str],
    manifest: Mapping[str, Any],
    searcher: Searcher | None,
) -> Scores:
    """The topics' vectors; the model is compared with the index's."""
    if job.queries.encoded:
        encoded = read_encoded_queries(job.queries.encoded)
        known = (manifest.get("model") or {}).get("fingerprint")
        if known and encoded.fingerprint and known != encoded.fingerprint:
            raise I3Error(f"{encoded.path}: encoded by another model than {job.index}")
        vectors: Scores = encoded.of(topics)
        return vectors if searcher is None else searcher.vectors_of(vectors)
    encoder = choose_encoder(job.queries, manifest, job.threads)
    if searcher is None:
        known = (manifest.get("model") or {}).get("fingerprint")
        if known and encoder.fingerprint and known != encoder.fingerprint:
            raise I3Error(f"{job.engine}: loaded from vectors of another model than {encoder.name}")
        return encoder.encode(list(topics.values()))
    searcher.use(encoder)
    return searcher.vectors_of(list(topics.values()))


def _index_hits(
    job: SearchJob, searcher: Searcher, vectors: Scores
) -> Iterator[tuple[slice, Hits]]:
    hits = job.results.hits or min(DEFAULT_HITS, searcher.count)
    for start in range(0, len(vectors), job.batch_size):
        some = slice(start, start + job.batch_size)
        queries = vectors[some]
        if job.feedback:
            queries = moved(queries, searcher, job.feedback)
        yield some, searcher.search(queries, hits)


def _run_engine(job: SearchJob, topics: Mapping[str, str], address: str, collection: str) -> str:
    from i3_pyserini.search.engines.milvus import Milvus  # noqa: PLC0415  (an extra)
    from i3_pyserini.search.engines.search import search_engine  # noqa: PLC0415

    engine = Milvus(address)
    hits = job.results.hits or DEFAULT_HITS
    engine.check(collection, None, hits)
    vectors = _vectors(job, topics, {"model": engine.made_by(collection)}, None)

    def found() -> Iterator[tuple[slice, tuple[Hits, Docids]]]:
        for start in range(0, len(vectors), job.batch_size):
            some = slice(start, start + job.batch_size)
            yield some, search_engine(engine, collection, vectors[some], hits)

    summary = _write(job, topics, found(), None)
    engine.close()
    return summary


def _write(
    job: SearchJob,
    topics: Mapping[str, str],
    found: Iterator[tuple[slice, Any]],
    docids: Docids | None,
) -> str:
    results, qids, count = job.results, list(topics), 0
    with (
        new_run(
            results.path, tag=results.tag, form=results.form, overwrite=results.overwrite
        ) as write,
        tqdm(total=len(qids), desc="search", unit=" queries", delay=2) as bar,
    ):
        for some, part in found:
            hits, ids = part if docids is None else (part, docids)
            hits, ids = _filtered(results, qids[some], hits, ids)
            write(qids[some], hits, ids)
            count += int((hits.rows >= 0).sum())
            bar.update(len(hits))
    return f"{len(qids):,} queries, {count:,} hits"


def _filtered(
    results: Results, qids: Sequence[str], hits: Hits, docids: Docids
) -> tuple[Hits, Docids]:
    if results.remove_query:
        hits = without_query(hits, qids, docids)
    if results.max_passage:
        return best_passages(hits, docids, *results.max_passage)
    return hits, docids
