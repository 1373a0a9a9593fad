"""Selects hard negatives from the hits of a query."""

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from i3_pyserini.data.same_text import TextHashes
from i3_pyserini.data.teacher_scores import Scores, TeacherScores
from i3_pyserini.errors import I3Error


@dataclass(frozen=True)
class Selection:
    """Options for selecting negatives.

    Attributes:
        first: the first rank, at least 1.
        last: the last rank.
        per_query: maximum negatives per query.
        seed: random seed, to draw at random; None for the highest-ranked.
        margin: exclude hits that the teacher scores at or above its lowest score of a positive
            minus this; 0 without a teacher.
        min_relevance: minimum level of a positive.
    """

    first: int = 1
    last: int = 200
    per_query: int = 64
    seed: int | None = None
    margin: float = 0.0
    min_relevance: int = 1


class Reason(Enum):
    """The reason why a hit is excluded; the first that applies counts."""

    POSITIVE = "positives"
    POSITIVE_TEXT = "with a positive's text"  # positives that nobody judged
    REPEAT = "with a better hit's text"
    FALSE_NEGATIVE = "that the teacher scores like a positive"


@dataclass(frozen=True)
class Query:
    """A query that negatives are looked for.

    Attributes:
        qid: its id.
        text: its text.
        positives: ids of its relevant passages, at least one.
    """

    qid: str
    text: str
    positives: Sequence[str]


@dataclass(frozen=True)
class Negatives:
    """A query's negatives.

    Attributes:
        pids: their ids, the best-ranked first.
        ranks: their ranks among the hits, from 1 on.
        unscored: how many of them the teacher has not scored; 0 without a teacher.
        left_out: number of excluded hits within the ranks, by reason.
    """

    pids: list[str]
    ranks: list[int]
    unscored: int
    left_out: Mapping[Reason, int]


class Selector:
    """Chooses negatives; for a query the same, whatever other queries there are.

    Args:
        texts: the collection's texts.
        selection: how to choose.
        place: where hits come from, for messages.
        teacher: the teacher's scores, if there are any.
    """

    def __init__(
        self,
        texts: TextHashes,
        selection: Selection,
        place: str,
        teacher: TeacherScores | None = None,
    ) -> None:
        self.texts, self.selection, self.place, self.teacher = texts, selection, place, teacher

    def choose(self, query: Query, hits: Sequence[str]) -> Negatives:
        """A query's negatives among its hits.

        Args:
            query: the query; the collection has its positives.
            hits: ids of the passages that it retrieves, the best first.

        Raises:
            I3Error: a hit is not in the collection, or the id of a negative has a comma or white
                space in it.
        """
        scores = self.teacher.of(query.qid, query.text) if self.teacher else None
        ranks, left_out = self._eligible(query, hits, scores)
        if self.selection.seed is None:
            ranks = ranks[: self.selection.per_query]
        elif len(ranks) > self.selection.per_query:
            rng = random.Random(f"{self.selection.seed} {query.qid}")  # noqa: S311  (no secret)
            ranks = sorted(rng.sample(ranks, self.selection.per_query))
        pids = [hits[rank - 1] for rank in ranks]
        for pid in pids:
            if "," in pid or pid.split() != [pid]:
                raise I3Error(
                    f"{self.place}, query {query.qid}: passage id {pid!r} has a comma or white "
                    "space in it, which a file of negatives cannot hold; rename it in the "
                    "collection"
                )
        scored = scores.passages if scores else {}
        unscored = sum(pid not in scored for pid in pids) if self.teacher else 0
        return Negatives(pids, ranks, unscored, left_out)

    def _eligible(
        self, query: Query, hits: Sequence[str], scores: Scores | None
    ) -> tuple[list[int], Counter[Reason]]:
        """Ranks of the hits that may be negatives, and why the others may not."""
        first = self.selection.first
        some = hits[first - 1 : self.selection.last]
        texts = self._texts([*query.positives, *some], query)
        positive_texts = set(texts[: len(query.positives)])
        # As `false_negative_margin` of a recipe does: what stays scores below this.
        limit = scores.lowest_positive - self.selection.margin if scores else math.inf
        seen: set[int] = set()
        ranks: list[int] = []
        left_out: Counter[Reason] = Counter()
        for rank, (pid, text) in enumerate(
            zip(some, texts[len(query.positives) :], strict=True), start=first
        ):
            score = scores.passages.get(pid) if scores else None
            if pid in query.positives:
                left_out[Reason.POSITIVE] += 1
            elif text in positive_texts:
                left_out[Reason.POSITIVE_TEXT] += 1
            elif text in seen:
                left_out[Reason.REPEAT] += 1
            elif score is not None and not score < limit:
                left_out[Reason.FALSE_NEGATIVE] += 1
            else:
                ranks.append(rank)
            seen.add(text)
        return ranks, left_out

    def _texts(self, pids: list[str], query: Query) -> list[int]:
        hashes, known = self.texts.look_up(pids)
        if not known.all():
            raise I3Error(
                f"{self.place}, query {query.qid}: passage {pids[int(known.argmin())]!r} is not in "
                "the collection; name the collection that was searched"
            )
        texts: list[int] = hashes.tolist()
        return texts
