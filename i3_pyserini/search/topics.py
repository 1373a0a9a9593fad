"""Searches an index for the queries of a topics file, or for one query."""

from dataclasses import replace
from os import fspath
from pathlib import Path
from typing import Any, Literal, overload

from i3_pyserini.encode.flags import AS_PASSAGES, QueryOptions
from i3_pyserini.errors import I3Error, at_least_1, check_tag
from i3_pyserini.formats.paths import AnyPath, NameOrPath, WrittenRun
from i3_pyserini.search.found import FoundPassages
from i3_pyserini.search.options import (
    AS_BUILT,
    NO_FEEDBACK,
    Feedback,
    MaxPassage,
    SearchParameters,
)

ENGINE = ("milvus:", "qdrant:")  # how addresses of vector engines begin: see `engine.ENGINES`
SHOWN = 10  # hits of one query


@overload
def search_topics(
    index: NameOrPath, topics: NameOrPath, *, output: AnyPath, **options: Any
) -> WrittenRun: ...
@overload
def search_topics(index: NameOrPath, *, query: str, **options: Any) -> FoundPassages: ...
def search_topics(  # type: ignore[misc]  # the options are those below, whatever overload it is
    index: NameOrPath,
    topics: NameOrPath | None = None,
    *,
    output: AnyPath | None = None,
    query: str | None = None,
    model: NameOrPath | None = None,
    queries: QueryOptions = AS_PASSAGES,
    encoded_queries: AnyPath | None = None,
    hits: int | None = None,
    parameters: SearchParameters = AS_BUILT,
    feedback: Feedback = NO_FEEDBACK,
    remove_query: bool = False,
    documents: Literal["max", "mean3", "none"] | MaxPassage | None = None,
    collection: str | None = None,
    filter: str | None = None,  # noqa: A002  (the option's name)
    corpus: AnyPath | None = None,
    cache: AnyPath | None = None,
    batch_size: int = 4096,
    threads: int | None = None,
    ray: str | None = None,
    output_format: Literal["trec", "msmarco"] = "trec",
    tag: str | None = None,
    speed: AnyPath | None = None,
    overwrite: bool = False,
) -> WrittenRun | FoundPassages:
    """Searches an index for topics and writes a run, or shows the hits of one query.

    Queries are encoded with the settings of the index manifest, without torch unless a device is
    given. A flat index is searched exactly. Hits are in trec_eval's order.

    Args:
        index: an index directory, "SHARD-*" (in quotes) for all shards of an encoding, or the
            address of a vector engine: milvus:FILE.db, milvus:http://HOST:19530, qdrant:FOLDER or
            qdrant:http://HOST:6333.
        topics: a TSV, CSV or JSONL file, or the name of a data set.
        output: the run file to write.
        query: a query to show hits for, instead of topics and output.
        model: directory or hub name of the query model. Default: the model named in the index
            manifest.
        queries: query encoder settings.
        encoded_queries: folder of encoded queries, instead of `model`.
        hits: maximum hits per query. Default: 1,000 in a run, 10 of one query.
        documents: rank documents whose windows are indexed, by their best window ("max", MaxP) or
            by the mean of their best three ("mean3"); hits are documents then. "none" ranks
            windows. Default: "max" if the index was made of a chunked corpus.
        parameters: parameters of an approximate index.
        feedback: pseudo-relevance feedback.
        remove_query: exclude the passage with the query's id.
        collection: name of the collection in a vector engine.
        filter: condition on the metadata of passages, in the engine's language: "price < 20" in
            Milvus, a filter in JSON in Qdrant.
        corpus: the encoded corpus, for texts of `query`'s hits. Default: the one named in the
            manifest, if it still exists.
        cache: folder for its text store. Default: the folder of the corpus.
        batch_size: number of queries searched together.
        threads: number of threads. Default: one for each usable CPU.
        ray: address of a Ray cluster whose machines share the index; each shard is searched as a
            task. "local" starts one on this machine.
        output_format: "trec", or "msmarco" for query, passage and rank only.
        tag: last column of the run. Default: the model's name.
        speed: JSON file to write with queries per second, with encoding and without start-up.
        overwrite: replace an existing run.

    Returns:
        The run that was written, or the hits of the query.

    Raises:
        I3Error: an input cannot be read or contradicts another, or options cannot be combined.
    """
    at_least_1(hits=hits, batch_size=batch_size, threads=threads)
    check_tag(tag)
    own = replace(queries, device=None) != AS_PASSAGES
    if encoded_queries is not None and (model is not None or own):
        raise I3Error("encoded_queries cannot be combined with model and its options")
    _check_place(fspath(index), collection, filter, parameters, feedback, ray)
    if topics is not None and (Path(topics) / "docid").is_file():
        raise I3Error(
            f"{topics}: is an index, not topics; put a pattern such as 'SHARD-*' in quotes"
        )
    name = None if model is None else fspath(model)
    if query is not None:
        if not query.strip():
            raise I3Error("the query is empty")
        written = (topics, output, encoded_queries, speed, tag, remove_query)
        if any(written) or overwrite or feedback.prf_depth or output_format != "trec":
            raise I3Error(
                "query shows hits and writes no run; omit topics, output and their options"
            )
        from i3_pyserini.search.query import Asked, query_collection, query_index

        by = None if isinstance(documents, MaxPassage) else documents
        asked = Asked(query, hits or SHOWN, name, queries, corpus, cache, threads, by, ray)
        if collection:
            return query_collection(asked, fspath(index), collection, filter)
        return query_index(asked, fspath(index), parameters)
    if corpus is not None or cache is not None:
        raise I3Error("corpus and cache are for the texts of query's hits; a run has none")
    if topics is None or output is None:
        raise I3Error("expected topics and output to write a run, or --query TEXT to show hits")
    from i3_pyserini.search.job import Queries, Results, SearchJob, run

    results = Results(
        path=Path(output),
        hits=hits,
        form=output_format,
        tag=tag,
        overwrite=overwrite,
        remove_query=remove_query,
        max_passage=documents if isinstance(documents, MaxPassage) else None,
        speed=None if speed is None else Path(speed),
    )
    encoded = None if encoded_queries is None else Path(encoded_queries)
    flags = queries.flags(name)
    job = SearchJob(
        index=fspath(index),
        queries=Queries(fspath(topics), encoded, flags),
        results=results,
        collection=collection,
        filter=filter,
        parameters=parameters.given(),
        feedback=feedback,
        documents="none" if isinstance(documents, MaxPassage) else documents,
        batch_size=batch_size,
        threads=threads,
        ray=ray,
    )
    return run(job)


def _check_place(
    index: str,
    collection: str | None,
    filter: str | None,  # noqa: A002  (the option's name)
    parameters: SearchParameters,
    feedback: Feedback,
    ray: str | None,
) -> None:
    """Refuses options that an index, or a vector engine, does not have."""
    if index.startswith(ENGINE):
        if not collection:
            raise I3Error(f"{index}: a vector engine requires collection (--collection NAME)")
        if feedback.prf_depth or parameters.given() or ray is not None:
            raise I3Error(
                f"{index}: a vector engine does not support prf_depth, nprobe, ef_search, refine "
                "and ray"
            )
    elif collection or filter is not None:
        raise I3Error(
            f"{index}: collection and filter require a vector engine, with an address such as "
            "milvus:FILE.db or qdrant:http://HOST:6333; i3-pyserini index load fills one"
        )
