"""Writes imported pairs as the files that training reads."""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from tqdm import tqdm

from i3_pyserini.data.collection import PAIR_FILES
from i3_pyserini.data.pairs.table import PairTable, id_of_key
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import new_file
from i3_pyserini.formats.passage_fields import record_of
from i3_pyserini.formats.qrels import write_qrels
from i3_pyserini.formats.topics import write_topics

CORPUS = "corpus/corpus.jsonl"
NEGATIVES, TEACHER, SOURCES = PAIR_FILES
PAIRS = """
SELECT q.key, p.query, p.level, p.flags, p.score, c.id
FROM pair p JOIN query q ON q.n = p.query JOIN passage c ON c.n = p.passage
WHERE q.part = ? AND (p.level > 0 OR p.flags & 2) ORDER BY p.query, p.n
"""


def topics_name(part: str) -> str:
    """The file of a part's queries."""
    return f"topics.{part}.tsv"


def qrels_name(part: str) -> str:
    """The file of a part's judgments."""
    return f"qrels.{part}.txt"


def qid_of(key: int) -> str:
    """The id of a query: "q" and 16 hexadecimal digits of its content."""
    return f"q{id_of_key(key)}"


def write_corpus(table: PairTable, folder: Path) -> None:
    """Writes all passages, those of the corpus first."""
    rows = table.rows("SELECT id, title, text, extra FROM passage ORDER BY n")
    with new_file(folder / CORPUS) as file:
        for pid, title, text, extra in tqdm(rows, "write corpus", unit=" passages", delay=2):
            record = {**record_of(pid, title or "", text), **(json.loads(extra) if extra else {})}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def write_part(table: PairTable, folder: Path, part: str) -> None:
    """Writes the queries of a part and their positives."""
    queries = table.rows("SELECT key, text FROM query WHERE part = ? ORDER BY n", part)
    with new_file(folder / topics_name(part)) as file:
        write_topics(file, ((qid_of(key), text) for key, text in queries))
    pairs = table.rows(PAIRS, part)
    with new_file(folder / qrels_name(part)) as file:
        write_qrels(
            file, ((qid_of(key), pid, level) for key, _, level, _, _, pid in pairs if level)
        )


def write_negatives(table: PairTable, folder: Path) -> None:
    """Writes the negatives of training queries, a line for each query, in the rows' order.

    Raises:
        I3Error: an id of the corpus cannot stand in this file.
    """
    with new_file(folder / NEGATIVES) as file:
        for key, pairs in _queries(table):
            pids = [pid for _, _, level, _, _, pid in pairs if not level]
            if odd := next((pid for pid in pids if "," in pid), None):
                raise I3Error(
                    f"passage id {odd!r} has a comma in it, which a file of negatives cannot hold; "
                    "rename it in the corpus"
                )
            file.write(f"{qid_of(key)}\t{','.join(pids)}\n")


def write_teacher(table: PairTable, folder: Path) -> tuple[int, int]:
    """Writes the teacher's scores of training queries.

    Returns:
        Number of queries written, and of passages without a score of queries that have some: a
        query without a scored positive is left out, and so is a passage without a score.
    """
    written = unscored = 0
    with new_file(folder / TEACHER) as file:
        for key, pairs in _queries(table):
            scored = [pair for pair in pairs if pair[4] is not None]
            positives = [(pid, score) for _, _, level, _, score, pid in scored if level]
            negatives = [(pid, score) for _, _, level, _, score, pid in scored if not level]
            unscored += len(pairs) - len(scored) if scored else 0
            if not positives:
                continue
            (text,) = next(table.rows("SELECT text FROM query WHERE n = ?", pairs[0][1]))
            record = {
                "qid": qid_of(key),
                "query": " ".join(text.split()),
                "positives": _columns(positives),
                "negatives": _columns(negatives),
            }
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            written += 1
    return written, unscored


def write_sources(table: PairTable, folder: Path, names: Sequence[str]) -> dict[str, int]:
    """Writes which source each training query is from; returns the numbers of queries."""
    counts = dict.fromkeys(names, 0)
    rows = table.rows("SELECT key, source FROM query WHERE part = 'train' ORDER BY n")
    with new_file(folder / SOURCES) as file:
        for key, source in rows:
            counts[names[source]] += 1
            file.write(f"{qid_of(key)}\t{names[source]}\n")
    return counts


def _queries(table: PairTable) -> Iterator[tuple[int, list[tuple[Any, ...]]]]:
    """Training queries with all their pairs, positives and negatives."""
    for key, pairs in groupby(table.rows(PAIRS, "train"), key=lambda pair: int(pair[0])):
        yield key, list(pairs)


def _columns(scored: Sequence[tuple[str, float]]) -> dict[str, list[Any]]:
    return {"doc_id": [pid for pid, _ in scored], "score": [score for _, score in scored]}
