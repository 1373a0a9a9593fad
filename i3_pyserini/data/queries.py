"""Training queries and their judgements."""

import csv
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.topics import read_topics

COLUMNS = ("query id", "query")


def read_queries(path: Path, quoted: bool = False) -> dict[str, str]:
    """Query texts by query id.

    Args:
        path: `qid<TAB>query` lines.
        quoted: read double quotes as the original did (pandas' default): they are taken off, and
            an unbalanced one swallows the lines after it.

    Raises:
        I3Error: a line is not as it should be.
    """
    if not path.is_file():
        raise I3Error(f"{path}: no such file of queries")
    if not quoted:
        return read_topics(str(path))
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = [row for row in csv.reader(lines, delimiter="\t") if row]
    except UnicodeDecodeError as error:
        raise I3Error(f"{path}: not valid UTF-8 at byte {error.start + 1}") from error
    except csv.Error as error:  # an unbalanced quote
        raise I3Error(f"{path}: cannot be read with quotes ({error})") from error
    if bad := next((row for row in rows if len(row) != len(COLUMNS)), None):
        raise I3Error(f"{path}: {len(bad)} fields in {bad!r:.80}; expected {' and '.join(COLUMNS)}")
    return {row[0]: row[1] for row in rows}


def read_positives(path: Path, min_relevance: int = 1) -> dict[str, list[str]]:
    """Relevant passages by query id, in the order of the file.

    Args:
        path: TREC qrels (`qid 0 pid relevance`), or the original's two columns (`qid pid`).
        min_relevance: what counts as relevant in TREC qrels.

    Raises:
        I3Error: there are none, or a line is not as it should be.
    """
    if not path.is_file():
        raise I3Error(f"{path}: no such file of judgements (qrels)")
    frame = read_qrels(str(path))
    relevant = frame[frame["relevance"] >= min_relevance]
    if relevant.empty:
        raise I3Error(f"{path}: no passage has a relevance of at least {min_relevance}")
    groups = relevant.groupby("query_id", sort=False)["doc_id"]
    return {str(qid): list(pids) for qid, pids in groups}
