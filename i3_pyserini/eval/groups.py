"""Groups of queries: by length, number of relevant passages, or rank of BM25's first hit."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.evaluation import Evaluation
from i3_pyserini.eval.ranking import judged_ranks
from i3_pyserini.formats.lines import read_tsv
from i3_pyserini.formats.qrels import note_without_topic
from i3_pyserini.formats.runs import Run
from i3_pyserini.formats.scripts import count_words

Groups = dict[str, list[str]]
LENGTHS = (3, 5, 8)  # words
RELEVANTS = (1, 4, 16)
MOST_GROUPS = 50
FIRST_HITS = (10, 100)


def restrict(evaluation: Evaluation, queries: Collection[str]) -> Evaluation:
    """The evaluation restricted to some queries."""
    wanted = set(queries)
    kept = np.array([query in wanted for query in evaluation.queries], dtype=bool)
    return Evaluation(
        evaluation.run,
        [query for query in evaluation.queries if query in wanted],
        {measure: values[kept] for measure, values in evaluation.values.items()},
        evaluation.warnings,
        None if evaluation.judged is None else evaluation.judged[kept],
    )


def by_length(qrels: pl.DataFrame, topics: Mapping[str, str]) -> Groups:
    """Groups the qrels' queries by their number of words; a note counts those without a topic.

    Raises:
        I3Error: no query has a topic.
    """
    judged = sorted(set(qrels["query_id"]))
    lengths = {query: count_words(topics[query]) for query in judged if query in topics}
    if not lengths:
        raise I3Error(
            f"none of the qrels' queries has a topic ({judged[0]}); do the topics belong to "
            "other qrels?"
        )
    note_without_topic(qrels, topics, "group_by length", "the topics")
    return _by_number(lengths, LENGTHS, "words")


def by_relevants(qrels: pl.DataFrame, level: int) -> Groups:
    """Groups the qrels' queries by their number of passages with relevance `level` or higher."""
    numbers = qrels.group_by("query_id").agg((pl.col("relevance") >= level).sum())
    return _by_number(
        dict(numbers.sort("query_id").iter_rows()),
        RELEVANTS,
        f"passages with relevance {level} or higher",
    )


def by_first_hit(qrels: pl.DataFrame, run: Run, level: int) -> Groups:
    """Groups the qrels' queries by the rank of the first relevant passage in a run."""
    ranks = judged_ranks(qrels, run)
    if not ranks.retrieved.any():
        raise I3Error(f"{run.name}: has no query of the qrels; does it belong to other topics?")
    names = [f"1-{FIRST_HITS[0]}", f"{FIRST_HITS[0] + 1}-{FIRST_HITS[1]}", "later or never"]
    groups: Groups = {f"first relevant of {run.name}: {name}": [] for name in names}
    for query, rank in zip(ranks.queries, ranks.first_relevant(level), strict=True):
        name = names[int(np.searchsorted(FIRST_HITS, rank))]
        groups[f"first relevant of {run.name}: {name}"].append(query)
    return _filled(groups)


def read_groups(path: Path, qrels: pl.DataFrame) -> tuple[Groups, list[str]]:
    """Reads groups from a file; a query may be in several.

    Args:
        path: a file with a query id, a tab or spaces, and a group name per line.
        qrels: the judgements.

    Returns:
        The groups of the qrels' queries, and notes.

    Raises:
        I3Error: a line is invalid, no query is in the qrels, or there are too many groups.
    """
    known, strangers = set(qrels["query_id"]), set()
    groups: dict[str, dict[str, None]] = {}
    for query, group in _read_pairs(path):
        if query in known:
            groups.setdefault(group, {})[query] = None
        else:
            strangers.add(query)
    if not groups:
        raise I3Error(
            f"{path}: has no query of the qrels; expected a query id and a group per line"
        )
    if len(groups) > MOST_GROUPS:
        raise I3Error(f"{path}: {len(groups):,} groups; is this a file of query ids and groups?")
    notes = []
    if strangers:
        notes.append(f"{path}: {len(strangers):,} queries are not in the qrels, ignored")
    rest = known.difference(*groups.values())
    if rest:
        notes.append(f"{path}: {len(rest):,} of the qrels' queries are in no group")
    return {group: list(queries) for group, queries in groups.items()}, notes


def _read_pairs(path: Path) -> Iterator[tuple[str, str]]:
    for _, place, cells in read_tsv(path):
        query, *group = (cell.strip() for cell in cells)
        if not group:  # separated by spaces
            query, *group = query.split(None, 1)
        name = " ".join(" ".join(group).split())
        if not query or not name:
            line = " ".join(cells)
            raise I3Error(f"{place}: {line!r:.60}; expected a query id and a group")
        yield query, name


def _by_number(numbers: Mapping[str, int], bounds: tuple[int, ...], unit: str) -> Groups:
    """Groups up to each of the bounds, and one above the last."""
    starts = (0, *(bound + 1 for bound in bounds))
    names = [
        f"{start}-{end} {unit}" if start < end else f"{end} {unit}"
        for start, end in zip(starts, bounds, strict=False)
    ]
    names[0] = f"up to {bounds[0]} {unit}"
    names.append(f"over {bounds[-1]} {unit}")
    groups: Groups = {name: [] for name in names}
    for query, number in numbers.items():
        groups[names[int(np.searchsorted(bounds, number))]].append(query)
    return _filled(groups)


def _filled(groups: Groups) -> Groups:
    return {name: queries for name, queries in groups.items() if queries}
