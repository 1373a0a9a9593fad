"""Searching an index for the queries of a topics file."""

from os import fspath
from pathlib import Path
from typing import Literal

from i3_pyserini.encode.flags import AS_PASSAGES, QueryOptions
from i3_pyserini.errors import I3Error, at_least_1, check_tag
from i3_pyserini.formats.paths import AnyPath, NameOrPath, WrittenRun
from i3_pyserini.search.options import AS_BUILT, NO_FEEDBACK, Feedback, SearchParameters

ENGINE = "milvus:"  # how a vector engine's address begins


def search_topics(
    index: NameOrPath,
    topics: NameOrPath,
    *,
    output: AnyPath,
    model: NameOrPath | None = None,
    queries: QueryOptions = AS_PASSAGES,
    encoded_queries: AnyPath | None = None,
    hits: int | None = None,
    parameters: SearchParameters = AS_BUILT,
    feedback: Feedback = NO_FEEDBACK,
    remove_query: bool = False,
    max_passage: bool = False,
    max_passage_hits: int = 100,
    max_passage_delimiter: str = "#",
    collection: str | None = None,
    batch_size: int = 4096,
    threads: int | None = None,
    output_format: Literal["trec", "msmarco"] = "trec",
    tag: str | None = None,
    speed: AnyPath | None = None,
    overwrite: bool = False,
) -> WrittenRun:
    """Searches an index for topics and writes a run.

    Queries are encoded as the index's manifest says, without torch unless a device is named. A
    flat index is searched exactly. Hits are in trec_eval's order.

    Args:
        index: an index directory, or the address of a vector engine, milvus:FILE.db or
            milvus:http://HOST:19530.
        topics: a TSV or JSONL file, or a data set's name.
        output: the run file to write.
        model: directory or hub name of the model that encodes queries; the one that the index's
            manifest names by default.
        queries: how it encodes them.
        encoded_queries: folder of queries that were encoded before, in place of `model`.
        hits: most hits of a query; 1,000 by default.
        parameters: of an approximate index.
        feedback: pseudo-relevance feedback.
        remove_query: leave out the passage that has the query's id.
        max_passage: write documents, ranked by their best passages.
        max_passage_hits: most documents of a query.
        max_passage_delimiter: between the document's id and the rest of a passage's.
        collection: what was loaded into a vector engine.
        batch_size: queries that are searched together.
        threads: all cores by default.
        output_format: "trec", or "msmarco" for query, passage and rank alone.
        tag: last column of the run; the model's name by default.
        speed: a JSON file to write, with queries per second, encoding included, start-up excluded.
        overwrite: replace an older run.

    Returns:
        The run that was written.

    Raises:
        I3Error: an input cannot be read or does not fit the others, or options do not go together.
    """
    at_least_1(hits=hits, max_passage_hits=max_passage_hits, batch_size=batch_size, threads=threads)
    if not max_passage_delimiter:
        raise I3Error("max_passage_delimiter is empty")
    check_tag(tag)
    if encoded_queries is not None and (model is not None or queries != AS_PASSAGES):
        raise I3Error("encoded_queries are encoded already: leave model and its options out")
    index = fspath(index)
    if index.startswith(ENGINE):
        if not collection or feedback.prf_depth or parameters.given():
            raise I3Error(
                f"{index}: a vector engine needs collection, and has no prf_depth, nprobe, "
                "ef_search or refine"
            )
    elif collection:
        raise I3Error(
            f"{index}: collection is of a vector engine, whose address is milvus:FILE.db or "
            "milvus:http://HOST:19530"
        )
    from i3_pyserini.search.job import Queries, Results, SearchJob, run

    results = Results(
        Path(output),
        hits,
        output_format,
        tag,
        overwrite,
        remove_query,
        speed=None if speed is None else Path(speed),
    )
    if max_passage:
        results = results.of_documents(max_passage_delimiter, max_passage_hits)
    encoded = None if encoded_queries is None else Path(encoded_queries)
    flags = queries.flags(None if model is None else fspath(model))
    job = SearchJob(
        index=index,
        queries=Queries(fspath(topics), encoded, flags),
        results=results,
        collection=collection,
        parameters=parameters.given(),
        feedback=feedback,
        batch_size=batch_size,
        threads=threads,
    )
    return run(job)
