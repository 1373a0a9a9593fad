"""Compares two runs: the queries that changed most, and the passages that moved."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from ir_measures import Judged
from ir_measures.measures import Measure
from tqdm import tqdm

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.compare import EQUAL
from i3_pyserini.eval.evaluation import Evaluation, Values, evaluate_run
from i3_pyserini.eval.judged import UNEVEN
from i3_pyserini.formats.runs import Run

DECIMALS = 9  # digits to which changes are compared, as in `compare`
NAMED = 3  # maximum ids in a note


@dataclass(frozen=True)
class Choice:
    """Options of a diff.

    Attributes:
        measure: the measure to compare.
        queries: number of queries with losses, and of those with gains.
        depth: number of top passages of each run; relevant ones below are shown too.
    """

    measure: Measure
    queries: int = 10
    depth: int = 10


@dataclass(frozen=True)
class Shown:
    """A passage in readable form.

    Attributes:
        text: its title and first words, on one line.
        words: pseudo-query words, highest weight first; empty if not requested.
    """

    text: str
    words: list[str]


@dataclass(frozen=True)
class Moved:
    """A passage in the top of either run.

    Attributes:
        passage: its id.
        rank_a: its rank in run A, starting at 1; None if A does not rank it.
        rank_b: its rank in run B.
        relevance: its judged relevance; None if it is not judged.
        shown: its text; None without a collection.
    """

    passage: str
    rank_a: int | None
    rank_b: int | None
    relevance: int | None
    shown: Shown | None

    @property
    def better_rank(self) -> int:
        """The better one of its ranks."""
        return min(rank for rank in (self.rank_a, self.rank_b) if rank is not None)


@dataclass(frozen=True)
class ChangedQuery:
    """A query whose value changed.

    Attributes:
        query_id: its id.
        text: its text; None if the topics lack it.
        value_a: the measure's value in run A.
        value_b: in run B.
        change: value in B minus value in A.
        judged_a: share of judged passages in A's top.
        judged_b: in B's.
        passages: top passages of both runs, and relevant ones below, by the better of their ranks.
    """

    query_id: str
    text: str | None
    value_a: float
    value_b: float
    change: float
    judged_a: float
    judged_b: float
    passages: list[Moved]


@dataclass(frozen=True)
class Diff:
    """Run B against run A, over all queries of the qrels.

    Attributes:
        run_a: A's name.
        run_b: B's.
        measure: the measure.
        depth: number of top passages.
        queries: number of queries in the qrels.
        mean_a: mean over the queries of the measure in A.
        mean_b: in B.
        mean_change: mean of value in B minus value in A.
        wins: number of queries on which B is better.
        ties: number of queries on which both are equal.
        losses: number of queries on which B is worse.
        judged_a: mean share of judged passages in A's tops.
        judged_b: in B's.
        notes: notes for the reader.
        lost: the queries with the largest losses, largest change first, then by id.
        gained: the queries with the largest gains.
    """

    run_a: str
    run_b: str
    measure: str
    depth: int
    queries: int
    mean_a: float
    mean_b: float
    mean_change: float
    wins: int
    ties: int
    losses: int
    judged_a: float
    judged_b: float
    notes: list[str]
    lost: list[ChangedQuery]
    gained: list[ChangedQuery]


def diff(
    qrels: pl.DataFrame,
    runs: tuple[Run, Run],
    choice: Choice,
    topics: Mapping[str, str],
    show: Callable[[str], Shown] | None = None,
) -> Diff:
    """Compares two runs query by query, and the tops of those that changed most.

    Args:
        qrels: as `qrels.read_qrels` gives them.
        runs: A and B.
        choice: see `Choice`.
        topics: query texts by query id.
        show: returns the text of a passage by its id; None to show only ids.

    Returns:
        The differences; a query that a run lacks counts as zero, as in `evaluate`.

    Raises:
        I3Error: topics or a run have no query of the qrels, or `show` does not find a passage.
    """
    judged = Judged @ choice.depth
    _check_topics(qrels, topics)
    a, b = (evaluate_run(qrels, run, [choice.measure, judged]) for run in runs)
    before, after = (one.values[str(choice.measure)] for one in (a, b))
    judged_a, judged_b = (one.values[str(judged)] for one in (a, b))
    changes = np.where(np.abs(after - before) < EQUAL, 0.0, after - before)
    # Queries are sorted, and a stable sort keeps their order for equal changes.
    order = np.argsort(-np.abs(changes).round(DECIMALS), kind="stable").tolist()
    lost = [row for row in order if changes[row] < 0][: choice.queries]
    gained = [row for row in order if changes[row] > 0][: choice.queries]
    tops = _Tops(qrels, runs, {a.queries[row] for row in lost + gained}, choice.depth, show)

    def changed(row: int) -> ChangedQuery:
        query = a.queries[row]
        return ChangedQuery(
            query,
            topics.get(query),
            float(before[row]),
            float(after[row]),
            float(changes[row]),
            float(judged_a[row]),
            float(judged_b[row]),
            tops.of(query),
        )

    rows = tqdm(lost + gained, desc="passages", unit=" queries", delay=2, leave=False)
    queries = [changed(row) for row in rows]
    wins, losses = int((changes > 0).sum()), int((changes < 0).sum())
    return Diff(
        run_a=a.run,
        run_b=b.run,
        measure=str(choice.measure),
        depth=choice.depth,
        queries=len(changes),
        mean_a=float(before.mean()),
        mean_b=float(after.mean()),
        mean_change=float(changes.mean()),
        wins=wins,
        ties=len(changes) - wins - losses,
        losses=losses,
        judged_a=float(judged_a.mean()),
        judged_b=float(judged_b.mean()),
        notes=_notes((a, b), (judged_a, judged_b), topics, choice.depth),
        lost=queries[: len(lost)],
        gained=queries[len(lost) :],
    )


class _Tops:
    """The tops of both runs, side by side.

    Args:
        qrels: the judgements.
        runs: A and B.
        queries: the queries to show.
        depth: how many passages a top has.
        show: see `diff`.
    """

    def __init__(
        self,
        qrels: pl.DataFrame,
        runs: tuple[Run, Run],
        queries: set[str],
        depth: int,
        show: Callable[[str], Shown] | None,
    ) -> None:
        self._ranked = [_ranked(run, queries) for run in runs]
        judged = qrels.filter(pl.col("query_id").is_in(queries))
        rows = judged.select("query_id", "doc_id", "relevance").iter_rows()
        self._relevance = {(query, passage): level for query, passage, level in rows}
        self._depth, self._show = depth, show

    def of(self, query: str) -> list[Moved]:
        """The passages in the top of either run, and relevant ones that either ranks below it.

        They are in the order of the better of their ranks; at most as many are below as in a top.
        """
        first, second = (ranked.get(query, []) for ranked in self._ranked)
        ranks_a, ranks_b = (
            {passage: rank for rank, passage in enumerate(ranked, start=1)}
            for ranked in (first, second)
        )
        union = dict.fromkeys([*first[: self._depth], *second[: self._depth]])
        below = [
            passage
            for ranked in (first, second)
            for passage in ranked[self._depth :]
            if self._relevance.get((query, passage), 0) > 0 and passage not in union
        ]
        last = len(first) + len(second)  # for those that a run does not rank
        better = {one: min(ranks_a.get(one, last), ranks_b.get(one, last)) for one in below}
        nearest = sorted(better, key=better.__getitem__)[: self._depth]
        moved = [
            Moved(
                passage,
                ranks_a.get(passage),
                ranks_b.get(passage),
                self._relevance.get((query, passage)),
                self._show(passage) if self._show else None,
            )
            for passage in [*union, *nearest]
        ]
        # If a passage of A and one of B have the same better rank, that of A comes first.
        return sorted(moved, key=lambda one: one.better_rank)


def _ranked(run: Run, queries: set[str]) -> dict[str, list[str]]:
    """Passages by rank, for these queries."""
    rows = run.table.filter(pl.col("query_id").is_in(queries))
    grouped = rows.group_by("query_id", maintain_order=True).agg("doc_id")
    return dict(grouped.iter_rows())


def _check_topics(qrels: pl.DataFrame, topics: Mapping[str, str]) -> None:
    judged = set(qrels["query_id"].unique())
    if not judged & set(topics):
        raise I3Error(
            f"none of the {len(topics)} topics is among the {len(judged)} queries of the qrels "
            f"({min(topics, default='')!r} against {min(judged)!r}); do they belong to other "
            "topics?"
        )


def _notes(
    evaluations: Sequence[Evaluation],
    judged: tuple[Values, Values],
    topics: Mapping[str, str],
    depth: int,
) -> list[str]:
    notes = [f"{one.run}: {told}" for one in evaluations for told in one.warnings]
    queries = evaluations[0].queries
    without = [query for query in queries if query not in topics]
    if without:
        examples = ", ".join(without[:NAMED]) + (", …" if len(without) > NAMED else "")
        notes.append(f"{len(without)} of {len(queries)} queries have no text ({examples})")
    a, b = (float(share.mean()) for share in judged)
    if abs(a - b) > UNEVEN:
        notes.append(
            f"of the top {depth}, {1 - a:.1%} of A's passages and {1 - b:.1%} of B's are unjudged; "
            "the measure counts these as not relevant"
        )
    return notes
