"""Groups of queries that belong on one side of a split, and which side that is."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tqdm import tqdm

from i3_pyserini.data.near_text import NearTexts
from i3_pyserini.data.same_text import words_of
from i3_pyserini.formats.passage_fields import Passage

EXAMPLES = 3  # pairs that are named


@dataclass
class Joined:
    """Queries that were joined for one reason.

    Attributes:
        count: how many were joined to another; those that were together before do not count.
        pairs: the first of them.
    """

    count: int = 0
    pairs: list[tuple[str, str]] = field(default_factory=list)

    def __str__(self) -> str:
        named = ", ".join(f"{one} and {other}" for one, other in self.pairs)
        return f"{self.count:,} ({named}{', …' if self.count > len(self.pairs) else ''})"


class Groups:
    """Queries in groups (union-find); each alone at first.

    Args:
        qids: the queries.
    """

    def __init__(self, qids: Sequence[str]) -> None:
        self.qids = qids
        self._parents = list(range(len(qids)))

    def find(self, row: int) -> int:
        """A number that the queries of a group share."""
        parents = self._parents
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = parents[row]
        return row

    def join(self, pairs: Iterable[tuple[int, int]]) -> Joined:
        """Joins the groups of pairs of queries."""
        joined = Joined()
        for one, other in pairs:
            first, second = sorted((self.find(one), self.find(other)))
            if first != second:
                self._parents[second] = first
                joined.count += 1
                if len(joined.pairs) < EXAMPLES:
                    joined.pairs.append((self.qids[one], self.qids[other]))
        return joined

    def members(self) -> list[list[str]]:
        """The groups, in the order of their first queries."""
        found: dict[int, list[str]] = {}
        for row, qid in enumerate(self.qids):
            found.setdefault(self.find(row), []).append(qid)
        return list(found.values())


@dataclass(frozen=True)
class Together:
    """Which queries must not be separated.

    Attributes:
        groups: query ids; every query is in one group.
        by_passage: queries with a relevant passage of another.
        by_text: queries with the text of another.
        by_near_text: queries with nearly the text of another.
    """

    groups: list[list[str]]
    by_passage: Joined
    by_text: Joined
    by_near_text: Joined


def together(
    topics: Mapping[str, str], positives: Mapping[str, Iterable[str]], overlap: float
) -> Together:
    """Groups queries that share a relevant passage, or whose texts are the same or nearly so.

    Args:
        topics: texts by query id.
        positives: relevant passages by query id.
        overlap: see `NearTexts`.
    """
    qids = list(topics)
    groups = Groups(qids)
    passages = ((row, pid) for row, qid in enumerate(qids) for pid in positives.get(qid, ()))
    by_passage = groups.join(_pairs((pid, row) for row, pid in passages))
    texts = [words_of(Passage(qid, None, text)) for qid, text in topics.items()]
    by_text = groups.join(_pairs((text, row) for row, text in enumerate(texts)))
    by_near_text = groups.join(_near_pairs(texts, overlap))
    return Together(groups.members(), by_passage, by_text, by_near_text)


def choose(groups: Sequence[Sequence[str]], count: int, seed: int) -> list[str]:
    """Queries of whole groups, at most `count`, chosen at random.

    The choice depends on the ids and the seed alone, not on the order of the queries.
    """

    def key(group: Sequence[str]) -> bytes:
        return hashlib.blake2b(f"{seed} {min(group)}".encode(), digest_size=16).digest()

    chosen: list[str] = []
    for group in sorted(groups, key=key):
        if len(chosen) + len(group) <= count:
            chosen += group
    return chosen


def _near_pairs(texts: Sequence[str], overlap: float) -> Iterator[tuple[int, int]]:
    """Rows of texts that say nearly the same; of texts that are the same, only the first."""
    first: dict[str, int] = {}
    for row, text in enumerate(texts):
        first.setdefault(text, row)
    rows, different = list(first.values()), list(first)
    with tqdm(total=len(rows), desc="near texts", unit=" queries", delay=2) as shown:
        for later, earlier, _ in NearTexts(different, overlap).among():
            shown.update(later - shown.n)
            yield rows[earlier], rows[later]


def _pairs(keyed: Iterable[tuple[str, int]]) -> Iterable[tuple[int, int]]:
    """Each row with the first that has the same key."""
    first: dict[str, int] = {}
    for key, row in keyed:
        if first.setdefault(key, row) != row:
            yield first[key], row
