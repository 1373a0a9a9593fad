"""Searches for topics and writes a run file."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from tqdm import tqdm

from i3_pyserini.encode.flags import QueryFlags
from i3_pyserini.encode.index_encoder import record_of, refuse_other_encoder
from i3_pyserini.encode.query_encoders import note_cut
from i3_pyserini.errors import I3Error, note
from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.atomic import refuse_existing, refuse_inputs
from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.documents import By, Choice
from i3_pyserini.formats.encoded_queries import read_encoded_queries
from i3_pyserini.formats.hits import Hits, Scores
from i3_pyserini.formats.index import EncoderRecord
from i3_pyserini.formats.paths import WrittenRun
from i3_pyserini.formats.run_file import Form, new_run
from i3_pyserini.formats.run_metadata import Origin
from i3_pyserini.formats.topics import read_topics
from i3_pyserini.search.documents import DocumentSearch, chosen
from i3_pyserini.search.options import NO_FEEDBACK, Feedback, MaxPassage
from i3_pyserini.search.origin import Stage, dense_stage, feedback_record, queries_of
from i3_pyserini.search.searchable import LoadedCollection, Searchable, SearchedIndex
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.search.speed import Speed
from i3_pyserini.search.steps import best_passages, without_query
from i3_pyserini.threads import thread_count

DEFAULT_HITS = 1000
BEST, PARTS = "best", ("last", "model")  # folders in that of a training or a package


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
        hits: hits per query, documents if they are ranked; None for 1,000, or all of a smaller
            index.
        form: "trec" or "msmarco".
        tag: last column of the run; None for the model's name.
        overwrite: replace an existing file.
        remove_query: exclude the passage with the query's id.
        max_passage: see `MaxPassage`; None to write what was searched for.
        speed: file for search times; None for no file.
    """

    path: Path
    hits: int | None = None
    form: Form = "trec"
    tag: str | None = None
    overwrite: bool = False
    remove_query: bool = False
    max_passage: MaxPassage | None = None
    speed: Path | None = None


@dataclass(frozen=True)
class SearchJob:
    """A search.

    Attributes:
        index: the index directory, or an engine's address.
        queries: see `Queries`.
        results: see `Results`.
        collection: collection of an engine; None for a directory.
        filter: condition on metadata in an engine; None for none.
        parameters: parameters of an approximate index.
        feedback: see `Feedback`.
        documents: how documents are ranked by their windows; see `documents.chosen`.
        batch_size: number of queries searched together.
        threads: number of threads; None for one on each usable CPU.
        ray: address of a Ray cluster; None to search on this machine.
    """

    index: str
    queries: Queries
    results: Results
    collection: str | None = None
    filter: str | None = None
    parameters: Mapping[str, int] = field(default_factory=dict)
    feedback: Feedback = NO_FEEDBACK
    documents: Choice | None = None
    batch_size: int = 4096
    threads: int | None = None
    ray: str | None = None


def run(job: SearchJob) -> WrittenRun:
    """Searches and writes the run, which appears only if everything succeeded.

    Returns:
        The run that was written.

    Raises:
        I3Error: an input is invalid or contradicts another, or the run cannot be written.
    """
    written = [path for path in (job.results.path, job.results.speed) if path]
    refuse_inputs(written, [Path(job.queries.topics), job.queries.encoded])
    for path in written:
        refuse_existing(path, job.results.overwrite, before=job.results.path)
    topics = _read_topics(job.queries.topics)
    hits = job.results.hits or DEFAULT_HITS
    if job.threads:
        faiss.omp_set_num_threads(job.threads)
    speed = Speed(len(topics), thread_count(job.threads), job.batch_size)
    with closing(_open(job, hits)) as passages:
        by = chosen(job.documents, passages.chunks, passages.place)
        documents = None
        if by:  # before topics are encoded: it may be refused
            documents = DocumentSearch(passages, by, passages.chunks, passages.place)
            hits += job.results.remove_query  # so that as many are left
        vectors, encoder = _vectors(topics, job.queries, passages, job.threads, speed)
        _note_fewer(job, passages, documents)
        found = _search(passages, documents, vectors, hits, speed)
        tag = job.results.tag or tag_of(encoder.name or "dense")
        origin = _origin(job, topics, passages, dense_stage(tag, encoder, passages.made_by), by)
        return _write(job.results, list(topics), tag, origin, found, speed)


def tag_of(name: str) -> str:
    """The tag of a run: the last part of a model's name, without spaces.

    `best` of a training has the training's name; `last` and `model` follow the name of the folder
    above.

    Args:
        name: a directory, a hub name, or a directory of the hub's cache.
    """
    path = Path(name).absolute()
    if path.parent.name == "snapshots":  # a hub cache: models--OWNER--NAME/snapshots/HASH
        return path.parent.parent.name.rpartition("--")[2]
    above = path.parent.name
    found = f"{above}-{path.name}" if path.name in PARTS else path.name
    found = above if path.name == BEST else found
    return "_".join(found.split()) or "dense"


def _read_topics(name: str) -> dict[str, str]:
    topics = read_topics(name)
    odd = next((qid for qid in topics if qid.split() != [qid]), None)
    if odd is not None:
        raise I3Error(
            f"{name}: query id {odd!r} contains white space, which is not allowed in a run; "
            "rename it"
        )
    return topics


def _open(job: SearchJob, hits: int) -> Searchable:
    if job.collection:
        return LoadedCollection(job.index, job.collection, hits, job.filter)
    device = job.queries.flags.device
    searcher = Searcher(job.index, parameters=job.parameters, device=device, ray=job.ray)
    return SearchedIndex(searcher, job.feedback)


def _note_fewer(job: SearchJob, passages: Searchable, documents: DocumentSearch | None) -> None:
    asked, what = job.results.hits, "documents" if documents else "passages"
    count = documents.documents if documents else passages.docids and len(passages.docids)
    if asked and count and asked > count:
        note(f"{job.index} has only {count:,} {what}; returning that many hits per query")


def _vectors(
    topics: Mapping[str, str],
    queries: Queries,
    passages: Searchable,
    threads: int | None,
    speed: Speed,
) -> tuple[Scores, EncoderRecord]:
    """The vectors of the topics and their encoder, checked against that of the passages."""
    made_by = passages.made_by
    if queries.encoded:
        encoded = read_encoded_queries(queries.encoded)
        refuse_other_encoder(encoded.made_by, str(queries.encoded), made_by, passages.place)
        vectors = passages.vectors_of(encoded.of(topics))
        return vectors, replace(encoded.made_by, name=encoded.made_by.name or made_by.name)
    encoder = passages.load_encoder(queries.flags, threads)
    with speed.measured():
        vectors = passages.vectors_of(list(topics.values()))
    note_cut(encoder, len(topics))
    return vectors, record_of(encoder)


def _search(
    passages: Searchable,
    documents: DocumentSearch | None,
    vectors: Scores,
    k: int,
    speed: Speed,
) -> Iterator[tuple[slice, Hits, Docids]]:
    """The hits of a batch at a time."""
    for start in range(0, len(vectors), speed.batch):
        some = slice(start, start + speed.batch)
        with speed.measured():
            own = passages.moved(vectors[some])
            if documents:
                best, windows = documents.search(own, k)
                hits, docids = windows.named(best)
            else:
                hits, docids = passages.search(own, k)
        yield some, hits, docids


def _origin(
    job: SearchJob,
    topics: Mapping[str, str],
    passages: Searchable,
    stage: Stage,
    documents: By | None,
) -> Origin:
    """What is recorded of the run."""
    results, (collection, index) = job.results, passages.recorded(job.parameters)
    options = {
        "documents": documents,
        "max passage": results.max_passage and results.max_passage._asdict(),
        "remove query": results.remove_query,
        "filter": job.filter,
        "encoded queries": job.queries.encoded and str(job.queries.encoded),
    }
    how = {**stage, "index": index, "hits": results.hits or DEFAULT_HITS}
    how |= {**feedback_record(job.feedback), **{key: one for key, one in options.items() if one}}
    return Origin((how,), queries_of(topics, job.queries.topics, collection))


def _write(
    results: Results,
    qids: Sequence[str],
    tag: str,
    origin: Origin,
    found: Iterator[tuple[slice, Hits, Docids]],
    speed: Speed,
) -> WrittenRun:
    count = 0
    form, overwrite = results.form, results.overwrite
    with (
        new_run(results.path, tag=tag, form=form, overwrite=overwrite, origin=origin) as write,
        tqdm(total=len(qids), desc="search", unit=" queries", delay=2) as bar,
    ):
        for some, hits, docids in found:
            kept, named = _filtered(results, qids[some], hits, docids)
            write(qids[some], kept, named)
            count += int((kept.rows >= 0).sum())
            bar.update(len(kept))
        if results.speed:  # written before the run appears
            speed.write(results.speed, overwrite, results.path)
    return WrittenRun(results.path, f"{len(qids):,} queries, {count:,} hits", len(qids))


def _filtered(
    results: Results, qids: Sequence[str], hits: Hits, docids: Docids
) -> tuple[Hits, Docids]:
    if results.remove_query:
        hits = without_query(hits, qids, docids)
    if results.max_passage:
        return best_passages(hits, docids, *results.max_passage)
    most = results.hits or DEFAULT_HITS
    return Hits(hits.scores[:, :most], hits.rows[:, :most]), docids
