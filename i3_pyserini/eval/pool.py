"""Pools of runs: a table of their first passages for people to judge, and the qrels from it."""

import csv
import hashlib
import random
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from i3_pyserini.errors import I3Error, at_least_1, note
from i3_pyserini.formats.atomic import new_file, refuse_existing, refuse_inputs
from i3_pyserini.formats.chunks import DELIMITER
from i3_pyserini.formats.corpus_options import USUAL, CorpusOptions
from i3_pyserini.formats.paths import AnyPath, NameOrPath, Written
from i3_pyserini.formats.spreadsheets import as_text, from_text

if TYPE_CHECKING:
    from i3_pyserini.formats.runs import Run
    from i3_pyserini.formats.textstore import TextStore

CHECK = "check"  # column with a mark of each row's ids
HEADER = ("query_id", "query", "doc_id", "title", "text", "relevance", CHECK)
MARK = "\ufeff"  # Excel reads UTF-8 only with a byte order mark
Pair = tuple[str, str]  # ids of a query and a passage
# Ids that spreadsheets take for numbers, dates or truth values, and write otherwise.
CHANGED = re.compile(
    r"0\d+|\d{16,}|\d+\.?\d*e[-+]?\d+|\d*\.\d*0|\d{1,4}[-/.]\d{1,2}([-/.]\d{1,4})?|true|false",
    re.IGNORECASE | re.DOTALL,
)


def pool_runs(
    runs: Sequence[AnyPath],
    *,
    topics: NameOrPath | Mapping[str, str],
    corpus: AnyPath,
    output: AnyPath,
    depth: int = 10,
    qrels: NameOrPath | None = None,
    seed: int = 42,
    cache: AnyPath | None = None,
    overwrite: bool = False,
    corpus_options: CorpusOptions = USUAL,
) -> Written:
    """Writes the first passages of all runs as a table for people to judge.

    A query's passages are in random order, so that it does not show which run found them. Fill in
    the column relevance (0 for not relevant; 1, or graded levels) and save the table as CSV;
    `eval pool-qrels` makes qrels of it; with the column check it sees whether ids were changed.

    Args:
        runs: run files. Their queries are judged.
        topics: the queries: a file or name as for `search`; in Python also a mapping of texts by
            query id.
        corpus: the corpus that was searched.
        output: the CSV file to write.
        depth: first passages of each run and query.
        qrels: judgments that exist; pairs that they have are left out.
        seed: of the order.
        cache: folder for the text store. Default: the folder of the corpus.
        overwrite: replace an existing file.
        corpus_options: how the corpus is read.

    Returns:
        The table.

    Raises:
        I3Error: a file cannot be read, a query has no text, a passage is not in the corpus, every
            pair is judged, or the file exists.
    """
    at_least_1(depth=depth)
    target = Path(output)
    given = [*runs, corpus, *(one for one in (topics, qrels) if isinstance(one, str | PathLike))]
    refuse_inputs([target], [Path(one) for one in given])
    refuse_existing(target, overwrite)
    from i3_pyserini.eval.inputs import Runs, judgements
    from i3_pyserini.formats.passages import Corpus
    from i3_pyserini.formats.textstore import open_store
    from i3_pyserini.formats.topics import read_topics

    texts = topics if isinstance(topics, Mapping) else read_topics(fspath(topics))
    judged = set() if qrels is None else _pairs(judgements(qrels).iter_rows())
    pooled = list(_pooled(Runs(runs).read(), depth))
    left = [pair for pair in pooled if pair not in judged]
    if len(left) < len(pooled):
        note(f"{len(pooled) - len(left):,} of {len(pooled):,} pairs are judged and left out")
    if not left:
        raise I3Error(f"all {len(pooled):,} pairs of the pool are judged; nothing is written")
    reading = Corpus.from_options(Path(corpus), corpus_options.reading())
    store = open_store(reading, None if cache is None else Path(cache))
    rows = [_row(pair, texts, store) for pair in _shuffled(left, seed)]
    with new_file(target, overwrite) as file:
        file.write(MARK)
        csv.writer(file, lineterminator="\n").writerows([HEADER, *rows])
    _note_changed(left)
    queries = len({query for query, _ in left})
    return Written(
        target,
        f"{len(left):,} passages of {queries:,} queries to judge: fill in relevance, then "
        f"i3-pyserini eval pool-qrels {shlex.quote(str(target))} --output qrels.txt",
    )


def pool_qrels(
    pool: AnyPath,
    *,
    output: AnyPath,
    qrels: NameOrPath | None = None,
    encoding: str = "utf-8",
    overwrite: bool = False,
) -> Written:
    """Writes the judgments of a table that people have filled in as qrels.

    Args:
        pool: the table of `eval pool`, as CSV; its columns may be in another order, and separated
            by semicolons. Rows without a level are counted and left out.
        output: the qrels file to write.
        qrels: judgments that exist, to put before the new ones.
        encoding: of the table, such as cp1252.
        overwrite: replace an existing file.

    Returns:
        The qrels.

    Raises:
        I3Error: the table lacks a column, ids are not those that `eval pool` wrote, a level is not
            an integer, a pair has two levels, no row has a level, or the file exists.
    """
    source, target = Path(pool), Path(output)
    refuse_inputs([target], [source])
    refuse_existing(target, overwrite)
    from i3_pyserini.eval.inputs import judgements
    from i3_pyserini.formats.folder_manifest import Manifest
    from i3_pyserini.formats.made import made_of
    from i3_pyserini.formats.qrels import judgements_of, write_qrels

    rows = dict(_filled_in(source, encoding))
    filled = {number: row for number, row in rows.items() if row[2]}
    if not filled:
        raise I3Error(f"{source}: no row has a level in the column relevance")
    if len(filled) < len(rows):
        note(f"{source}: {len(rows) - len(filled):,} of {len(rows):,} rows have no level, left out")
    before = [] if qrels is None else list(judgements(qrels).iter_rows())
    new = judgements_of(filled.values(), str(source), "line", numbers=list(filled)).table
    both = judgements_of([*before, *filled.values()], f"{qrels} and {source}", "judgment").table
    made = None if qrels is None else made_of(Path(fspath(qrels)))
    with new_file(target, overwrite) as file:
        write_qrels(file, both.select("query_id", "doc_id", "relevance").iter_rows())
        if made is not None:
            manifest = Manifest.of(target.parent)
            manifest.add(target.name, f"{qrels} and {source}", made=made, unnamed=file)
            manifest.save()
    old = f"{len(before):,} judgments of {qrels}, and " if qrels else ""
    relevant = int((new["relevance"] > 0).sum())
    return Written(target, f"{old}{len(new):,} new judgments, {relevant:,} of them relevant")


def _pairs(rows: Iterator[tuple[str, str, int]]) -> set[Pair]:
    return {(query, passage) for query, passage, _ in rows}


def _pooled(runs: "Sequence[Run]", depth: int) -> Iterator[Pair]:
    """The pairs of all runs, each once; queries in the order in which they come first."""
    queries = dict.fromkeys(query for run in runs for query in run.queries)
    hits = [dict(run.hits(queries, depth)) for run in runs]
    for query in queries:
        for passage in dict.fromkeys(passage for found in hits for passage in found[query]):
            yield query, passage


def _shuffled(pairs: Sequence[Pair], seed: int) -> Iterator[Pair]:
    """The queries in their order, the passages of each in a random one that its id decides."""
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(pair[0], []).append(pair)
    for query, group in groups.items():
        order = random.Random(f"{seed} {query}")  # noqa: S311  (an order, not a secret)
        yield from order.sample(sorted(group), len(group))


def _row(pair: Pair, topics: Mapping[str, str], store: "TextStore") -> list[str]:
    query, docid = pair
    if query not in topics:
        raise I3Error(f"query {query!r} of the runs is not in the topics; give those searched for")
    passage = store.get(docid)
    if passage is None:
        advice = "give the corpus that was searched"
        if store.get(f"{docid}{DELIMITER}0"):
            advice = "it has windows of documents: give the corpus that they were cut from"
        raise I3Error(f"{store.path}: no passage {docid!r}; {advice}")
    cells = map(as_text, (query, topics[query], docid, passage.title or "", passage.text))
    return [*cells, "", _mark(pair)]


def _mark(pair: Pair) -> str:
    """A mark of two ids, which no spreadsheet takes for a number."""
    return f"c{hashlib.sha256(chr(0).join(pair).encode()).hexdigest()[:8]}"


def _note_changed(pairs: Sequence[Pair]) -> None:
    """A note if there are ids that spreadsheets change."""
    ids = dict.fromkeys(one for pair in pairs for one in pair if CHANGED.fullmatch(one))
    if ids:
        note(
            f"spreadsheets change ids such as {next(iter(ids))!r} ({len(ids):,} of this table): "
            "import its columns as text"
        )


def _filled_in(path: Path, encoding: str) -> Iterator[tuple[int, tuple[str, str, str]]]:
    """The line of each row, and its query id, passage id and level.

    Raises:
        I3Error: a column is missing, a row has other columns than the header, or an id is missing,
            has white space, or was changed.
    """
    from i3_pyserini.formats.names import find
    from i3_pyserini.formats.passage_fields import checked_id
    from i3_pyserini.formats.tables import Table, read_rows

    if not path.is_file():
        raise I3Error(f"{path}: no such file")
    rows = read_rows(path, "csv", Table(encoding=encoding))
    header = next(rows, (1, []))[1]
    first, second, level = _places(header, path)
    mark = find((CHECK,), header)
    for number, cells in rows:
        if len(cells) != len(header):
            raise I3Error(
                f"{path}, line {number}: {len(cells)} columns; expected {len(header)}, as in the "
                "header"
            )
        try:
            ids = (from_text(cells[place].strip()) for place in (first, second))
            query, passage = map(checked_id, ids)
        except I3Error as error:
            raise I3Error(f"{path}, line {number}: {error}") from error
        known = cells[header.index(mark)].strip() if mark else ""
        if known not in ("", _mark((query, passage))):
            raise I3Error(
                f"{path}, line {number}: query {query!r} and passage {passage!r} are not the ids "
                "that eval pool wrote here (column check); did a spreadsheet change them? Import "
                "its columns as text"
            )
        yield number, (query, passage, cells[level].strip())


def _places(header: Sequence[str], path: Path) -> list[int]:
    """The positions of the query id, the passage id and the level."""
    from i3_pyserini.formats.names import LEVEL, PASSAGE_ID, QUERY_ID, find

    found = [find(known, header) for known in (QUERY_ID, PASSAGE_ID, LEVEL)]
    for name, wanted in zip(found, ("query_id", "doc_id", "relevance"), strict=True):
        if name is None:
            raise I3Error(f"{path}: no column {wanted}; it has {', '.join(header) or 'no header'}")
    return [header.index(name) for name in found if name is not None]
