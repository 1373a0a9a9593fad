"""Readers of columns: topics, judgements, runs with their metadata, and ids."""

import gzip
import math
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np

from i3_pyserini.formats import run_blocks
from i3_pyserini.formats.qrels import read_judgements, read_qrels
from i3_pyserini.formats.run_blocks import RunFile
from i3_pyserini.formats.runs import Run, read_run
from i3_pyserini.formats.tables import found_delimiter
from i3_pyserini.formats.topics import read_topics, topics_of_file
from tests.fuzz import plain
from tests.fuzz.target import Target, counted, fixed, notes

RUN = b"q1 Q0 d1 1 2.5 x\nq1 Q0 d2 2 1.5 x\n\nq2 Q0 d1 1 1 x\nq2 Q0 d3 2 1 x\n"
QRELS = b"q1 0 d1 1\nq1 0 d2 0\n\nq2 0 d1 -1\nq2 0 d3 2\nq1 0 d1 1\n"
TREC = 6  # columns of a run
TREC_QRELS = ("query", "iteration", "passage", "level")
HEADER = "line 1: is a header"
HIGHEST = 1_000_000  # of a level


def _topics(path: Path) -> object:
    """Every line is a topic, or a header that was noted."""
    with notes() as said:
        found = read_topics(str(path))
    content = plain.content_of(path)
    if content is None:
        return found
    if path.suffix == ".jsonl":
        expected = _json_topics(content)
    else:
        comma = path.suffix == ".csv"
        rows = plain.csv_rows(content, found_delimiter(path)) if comma else plain.tsv_rows(content)
        header = ": is a header" in said.getvalue()
        expected = _row_topics(rows[1:]) if header and rows else _row_topics(rows)
        if header:  # which may name other columns first
            expected = [None] * len(expected)
    assert len(found) == len(expected), f"{len(found)} topics of {len(expected)} lines"
    for own, one in zip(found.items(), expected, strict=True):
        assert one in (None, own), f"{own} for {one}"
        assert all(map(str.strip, own)), f"{own} is empty"
    return found


def _row_topics(rows: Sequence[Sequence[str]]) -> list[tuple[str, str] | None]:
    pairs = [[cell.strip() for cell in row] for row in rows]
    return [(row[0], row[1]) if len(row) == 2 else None for row in pairs]


def _json_topics(content: bytes) -> list[tuple[str, str] | None]:
    records = plain.json_records(content)
    known = [{"id", "query"} <= set(one) for one in records]
    return [
        (str(one["id"]).strip(), one["query"].strip()) if usual else None
        for one, usual in zip(records, known, strict=True)
    ]


def _quoted_topics(path: Path) -> object:
    return list(topics_of_file(path, quoted=True))


def _qrels(path: Path) -> object:
    """Every line is a judgement, or is counted as one that repeats another."""
    with notes() as said:
        found = read_judgements(path, "max")
    own = {(q, d): level for q, d, level, _ in found.table.iter_rows()}
    assert len(own) == len(found.table), "a pair twice"
    below = counted(said, r"N judgements? ha\w+ a level below zero")
    assert below == sum(level < 0 for level in own.values()), f"{below} below zero"
    content = plain.content_of(path)
    if content is None or b"," in content or '"' in content.decode():
        return found
    rows = plain.words(content)
    header = ": is a header" in said.getvalue()
    rows = rows[header:]
    again = counted(said, r"N lines? repeats?")
    assert len(rows) == len(own) + again, f"{len(own)} judgements of {len(rows)} lines"
    assert len({len(row) for row in rows}) == 1, "lines of other widths"
    if not header:
        _same_levels(own, rows)
    lines = content.decode().split("\n")
    for row in range(len(found.table)):
        qid, pid, _, number = found.table.row(row)
        (words,) = plain.words(lines[number - 1].encode())
        assert header or (qid in words and pid in words), f"line {number} is not of {qid} {pid}"
    return found


def _same_levels(own: dict[tuple[str, str], int], rows: list[list[str]]) -> None:
    expected: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        expected.setdefault((row[0], row[-2 if len(row) > 2 else -1]), []).append(
            float(row[-1]) if len(row) > 2 else 1.0
        )
    assert own.keys() == expected.keys(), "other pairs"
    for pair, levels in expected.items():
        assert own[pair] == max(levels) and abs(own[pair]) <= HIGHEST, f"{own[pair]} of {levels}"


def _strict_qrels(path: Path) -> object:
    """Two levels of a pair are refused; so no reading by "max" differs."""
    found = read_qrels(str(path))
    highest = read_qrels(str(path), "max")
    assert found.equals(highest), "the choice for two levels changes others"
    content = plain.content_of(path)
    rows = [] if content is None or b"," in content else plain.words(content)
    pairs = {(row[0], row[-2 if len(row) > 2 else -1]) for row in rows}
    assert not rows or len(pairs) >= len(found), "judgements of nothing"
    if all(len(row) == len(TREC_QRELS) for row in rows):
        levels: dict[tuple[str, str], set[float]] = {}
        for qid, _, pid, level in rows:
            levels.setdefault((qid, pid), set()).add(float(level))
        assert all(len(own) == 1 for own in levels.values()), f"two levels in {levels}"
    return found


def _run(path: Path) -> object:
    """The lines are those of a plain reading, their order is trec_eval's, blocks are the whole."""
    with notes() as said:
        found = read_run(path)
        for size in (24, 64):
            with patch.object(run_blocks, "BLOCK", size):
                parts = RunFile(path).each(lambda run: list(run.table.iter_rows()))
            assert [row for part in parts for row in part] == list(found.table.iter_rows()), (
                "blocks"
            )
    _ranked(found)
    content = plain.content_of(path)
    if content is None or b"," in content or b'"' in content or found.metadata is not None:
        return found
    rows = plain.words(content)
    header = ": is a header" in said.getvalue()
    assert len(found.lines) == len(rows) - header, f"{len(found.lines)} of {len(rows)} lines"
    assert len({len(row) for row in rows}) == 1, "lines of other widths"
    if not header:
        places = (0, 2, 4) if len(rows[0]) == TREC else (0, 1, 2)
        expected = [tuple(row[place] for place in places) for row in rows]
        sign = 1 if len(rows[0]) == TREC else -1
        for own, (qid, docid, score) in zip(found.lines.iter_rows(), expected, strict=True):
            same = math.isclose(own[2], sign * float(score), rel_tol=1e-12, abs_tol=1e-300)
            assert own[:2] == (qid, docid) and same, f"{own} for {qid} {docid} {score}"
    return found


def _ranked(run: Run) -> None:
    table = run.table
    assert len(table) == len(run.lines), "hits were lost"
    pairs = [(qid, docid) for qid, docid, _, _ in table.iter_rows()]
    assert len(set(pairs)) == len(pairs), "a passage twice"
    assert np.isfinite(table["score"].to_numpy()).all(), "a score that is no number"
    by_query: dict[str, list[tuple[float, str, int]]] = {}
    last = None
    with np.errstate(over="ignore"):
        for qid, docid, rank, score in table.iter_rows():
            assert qid == last or qid not in by_query, "queries are mixed"
            last = qid
            single = np.float32(score) if run.scored else np.float64(score)
            by_query.setdefault(qid, []).append((float(single), docid, rank))
    for hits in by_query.values():
        assert [rank for *_, rank in hits] == list(range(1, len(hits) + 1)), "ranks"
        keys = [(score, docid.encode()) for score, docid, _ in hits]
        assert keys == sorted(keys, reverse=True), f"order {hits}"
    for qid, ids in run.hits(by_query, 2):
        assert ids == [docid for _, docid, _ in by_query[qid]][:2], "first hits"


HEAD = b"# ir_metadata.start\n# tag: x\n# ir_metadata.end\n"
TARGETS = [
    Target(
        "tsv-topics",
        "topics.tsv",
        _topics,
        fixed('q1\tan egg\n\nq2\tété, "so"\n'.encode(), b"query_id\tquery\nq1\ta\nq2\tb\t\n"),
        fixed(b"q1\ta\nq1\tb\n", b"q1\n", b"q1\ta\tb\n", b"q1\t \n", b"\n", b"q1\t\xff\n"),
    ),
    Target(
        "csv-topics",
        "topics.csv",
        _topics,
        fixed(b'qid,query\nq1,"a, b"\nq2,c\n', b"id;text\n1;a\n2;b\n", b"q1,a\nq2,b\n"),
        fixed(b'qid,query\nq1,"a\n', b"q1,a,b\n"),
    ),
    Target(
        "jsonl-topics",
        "topics.jsonl",
        _topics,
        fixed(b'{"id": "q1", "query": " an egg"}\n{"_id": 2, "text": "hot"}\n'),
        fixed(b'{"id": 1.5, "query": "a"}', b'{"id": 1}', b'{"id": 1, "query": "\\udc00"}', b"1"),
    ),
    Target(
        "quoted-topics",
        "topics.txt",
        _quoted_topics,
        fixed(b'q1\t"an ""egg"""\n"q2"\t"a\nb"\n'),
        fixed(b'q1\t"a\n'),
    ),
    Target(
        "qrels",
        "qrels.txt",
        _qrels,
        fixed(
            QRELS, b"q1\td1\nq2\td1\n", b"query-id\tcorpus-id\tscore\nq1\td1\t2\n", QRELS + QRELS
        ),
        fixed(
            b"q1 0 d1 0.5\n",
            b"q1 0 d1 nan\n",
            b"q1 0 d1\n",
            b"\n",
            b"q1 0 d1 1\nq1 0\n",
            b"\xff 0 a 1",
        ),
    ),
    Target("strict-qrels", "qrels.txt", _strict_qrels, fixed(QRELS), fixed(b"q 0 d 1\nq 0 d 2\n")),
    Target(
        "run",
        "run.txt",
        _run,
        fixed(
            RUN,
            b"q1\td1\t1\nq1\td2\t2\nq2\td1\t1\n",
            b"qid,docid,score\nq1,d1,2\n",
            gzip.compress(RUN, mtime=0),
            HEAD + RUN,
            b"q1 Q0 d1 1 1 x\nq2 Q0 d1 1 1 x\nq1 Q0 d2 2 3 x\n",
            b"q1\tQ0  d1 1 2.5 x\n q1 Q0 d2 2 2 x \n\n",
            b"query-id corpus-id score\nq1 d1 2\nq1 d2 1\n",
            b"q1 Q0 d1 1 1.00000001 x\nq1 Q0 d2 2 1 x\nq10 Q0 d1 1 1 x\nq10 Q0 d2 2 1 x\n",
        ),
        fixed(
            RUN + RUN,
            *(RUN + b"q3 Q0 d1 1 1 x y\n", RUN + b"q3 Q0 d1 1 1\n", RUN + b"q3\td1\t1\n"),
            b"q Q0 d 1 nan x\n",
            b"q Q0 d 1 inf x\n",
            b"q\td\t1.5\n",
            b"q\td\t-1\n",
            b"",
        ),
    ),
]
