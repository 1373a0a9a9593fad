"""Training queries and their judgements."""

from pathlib import Path

import polars as pl

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.qrels import note_without_topic, read_qrels
from i3_pyserini.formats.topics import read_topics


def read_queries(path: Path, quoted: bool = False) -> dict[str, str]:
    """Query texts by query id; of a file, never of a data set's name.

    Args:
        path: see `topics.topics_of_file`.
        quoted: see `topics.topics_of_file`.

    Raises:
        I3Error: the file does not exist, or a line is invalid.
    """
    if not path.exists():
        raise I3Error(f"{path}: no such file of queries")
    return read_topics(str(path), quoted)


def read_judged_queries(
    topics: Path, qrels: Path, min_relevance: int = 1, quoted: bool = False
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Queries with their judgements; a judged query without a topic is counted on stderr.

    Args:
        topics: see `read_queries`.
        qrels: see `read_positives`.
        min_relevance: likewise.
        quoted: see `read_queries`.

    Returns:
        Query texts by query id, and relevant passages by query id; both may have queries that the
        other lacks.

    Raises:
        I3Error: see `read_queries` and `read_positives`.
    """
    queries, judged = read_queries(topics, quoted), _judged(qrels)
    note_without_topic(judged, queries, str(qrels), str(topics))
    return queries, _positives(judged, qrels, min_relevance)


def read_positives(path: Path, min_relevance: int = 1) -> dict[str, list[str]]:
    """Relevant passages by query id, in the order of the file.

    Args:
        path: judgements; see `qrels.read_qrels`. Of a file, never of a data set's name.
        min_relevance: from which level on a passage is relevant; levels below zero never are.

    Raises:
        I3Error: there are none, or a line is invalid.
    """
    return _positives(_judged(path), path, min_relevance)


def _judged(path: Path) -> pl.DataFrame:
    if not path.exists():
        raise I3Error(f"{path}: no such file of judgements (qrels)")
    return read_qrels(path)


def _positives(judged: pl.DataFrame, path: Path, min_relevance: int) -> dict[str, list[str]]:
    relevant = judged.filter(pl.col("relevance") >= max(min_relevance, 0))
    if relevant.is_empty():
        raise I3Error(f"{path}: no passage has a relevance of at least {min_relevance}")
    groups = relevant.group_by("query_id", maintain_order=True).agg("doc_id")
    return dict(groups.iter_rows())
