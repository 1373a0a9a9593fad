"""The queries that changed most between the baseline and the best other system."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from ir_measures.measures import Measure

from i3_pyserini.eval.diff_texts import one_line
from i3_pyserini.eval.diffing import ChangedQuery, Choice, Moved, diff
from i3_pyserini.eval.report.data import DEEPEST
from i3_pyserini.formats.runs import Run

QUERIES = 5
PASSAGES = 3  # relevant ones shown for a query
QUERY_LENGTH, PASSAGE_LENGTH = 300, 280  # characters

TextOf = Callable[[str], str]


@dataclass(frozen=True)
class ChangedPassage:
    """A relevant passage whose rank changed.

    Attributes:
        moved: its id, ranks and relevance.
        text: its title and beginning; empty without a corpus.
    """

    moved: Moved
    text: str

    @property
    def kind(self) -> str:
        """Whether the best system ranks it "up" or "down"."""
        return "up" if _closeness(self.moved.rank_b) > _closeness(self.moved.rank_a) else "down"


@dataclass(frozen=True)
class Change:
    """A query whose value changed.

    Attributes:
        query: its values in both runs.
        text: its text; empty without topics.
        passages: relevant passages that changed their rank, the largest changes first.
        more: number of those that are left out.
    """

    query: ChangedQuery
    text: str
    passages: Sequence[ChangedPassage]
    more: int


@dataclass(frozen=True)
class Changes:
    """What changed most from the baseline to another system.

    Attributes:
        baseline: name of the baseline.
        other: name of the other system.
        measure: the measure.
        depth: passages that the measure uses.
        queries: the queries, the largest change first.
    """

    baseline: str
    other: str
    measure: str
    depth: int
    queries: Sequence[Change]


def changes(
    qrels: pl.DataFrame,
    runs: tuple[Run, Run],
    measure: Measure,
    level: int,
    topics: Mapping[str, str] | None = None,
    text_of: TextOf | None = None,
) -> Changes:
    """Finds the queries with the largest changes, and the relevant passages that caused them.

    Args:
        qrels: the judgments.
        runs: the baseline, and the run to compare with it.
        measure: the measure.
        level: minimum relevance that counts as relevant.
        topics: texts by query id; None if unknown.
        text_of: returns the text of a passage by its id; None if unknown.

    Raises:
        I3Error: the topics or a run have no query of the qrels, or a passage has no text.
    """
    depth = _depth(measure)
    texts = dict.fromkeys(qrels["query_id"].unique(), "") if topics is None else topics
    found = diff(qrels, runs, Choice(measure, QUERIES, depth), texts)
    largest = sorted([*found.lost, *found.gained], key=lambda one: -abs(one.change))
    chosen = [_change(one, depth, level, text_of) for one in largest[:QUERIES]]
    return Changes(found.run_a, found.run_b, found.measure, depth, chosen)


def _change(query: ChangedQuery, depth: int, level: int, text_of: TextOf | None) -> Change:
    moved = [
        one
        for one in query.passages
        if one.rank_a != one.rank_b
        and one.better_rank <= depth
        and one.relevance is not None
        and one.relevance >= level
    ]
    moved.sort(key=lambda one: -abs(_closeness(one.rank_a) - _closeness(one.rank_b)))
    passages = [
        ChangedPassage(one, one_line(text_of(one.passage), PASSAGE_LENGTH) if text_of else "")
        for one in moved[:PASSAGES]
    ]
    text = one_line(query.text or "", QUERY_LENGTH)
    return Change(query, text, passages, len(moved) - len(passages))


def _closeness(rank: int | None) -> float:
    """The reciprocal rank; zero for a passage that is not ranked."""
    return 0.0 if rank is None else 1 / rank


def _depth(measure: Measure) -> int:
    """The passages that a measure uses, up to `DEEPEST`."""
    cutoff = measure["cutoff"] if "cutoff" in measure.SUPPORTED_PARAMS else None
    return min(cutoff, DEEPEST) if isinstance(cutoff, int) else DEEPEST
