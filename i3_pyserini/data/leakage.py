"""What a test knows already: queries that are nearly those of training, or of passages' own words.

| leak | of a query of dev or test | with |
| --- | --- | --- |
| `queries` | its text | the text of a query of another split that comes before it |
| `title` | its text | the title of a passage |
| `first sentence` | its text | the first sentence of a passage that is relevant to it |

Texts are compared as in `near_text`. Splits come in this order: train, others by name, test.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from i3_pyserini.data.near_text import NearTexts
from i3_pyserini.data.own_words import first_sentence
from i3_pyserini.formats.atomic import new_file
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.topics import read_topics

BLOCK = 1 << 13  # titles that are compared at a time
EXAMPLES = 3  # pairs that are named
COLUMNS = ("leak", "split", "query", "with", "id", "relevant", "overlap", "text", "other")
FIRST, LAST = "train", "test"

Kind = Literal["queries", "title", "first sentence"]
Splits = Mapping[str, Mapping[str, str]]
Relevant = Mapping[str, Mapping[str, frozenset[str]]]


@dataclass(frozen=True)
class Leak:
    """Two texts that say nearly the same.

    Attributes:
        kind: see the module.
        split: split of the query.
        qid: the query.
        other_split: split of the other query; "corpus" for a passage.
        other: id of the other query or of the passage.
        relevant: whether the passage is relevant to the query; None for a query.
        overlap: shared trigrams over all trigrams of both, from 0 to 1.
        texts: the query and the other text.
    """

    kind: Kind
    split: str
    qid: str
    other_split: str
    other: str
    relevant: bool | None
    overlap: float
    texts: tuple[str, str]

    def row(self) -> list[str]:
        """The columns of `COLUMNS`."""
        relevant = "" if self.relevant is None else "yes" if self.relevant else "no"
        places = (self.kind, self.split, self.qid, self.other_split, self.other, relevant)
        return [*places, f"{self.overlap:.3f}", *(" ".join(text.split()) for text in self.texts)]


@dataclass(frozen=True)
class Leaks:
    """All leaks of a collection.

    Attributes:
        found: the leaks.
        queries: number of queries by split.
    """

    found: Sequence[Leak] = ()
    queries: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """One line for each kind of leak and pair of splits, with counts and the first pairs."""
        groups: dict[tuple[str, str, Kind, bool | None], list[Leak]] = {}
        for leak in self.found:
            key = (leak.split, leak.other_split, leak.kind, leak.relevant)
            groups.setdefault(key, []).append(leak)
        for (split, other, kind, relevant), leaks in groups.items():
            count = len({leak.qid for leak in leaks})
            what = f"a query of {other}" if kind == "queries" else f"the {kind} of a passage"
            if kind == "title":
                what = f"the title of a {'relevant' if relevant else 'not relevant'} passage"
            are = "is" if count == 1 else "are"
            pairs = ", ".join(f"{one.qid} and {one.other}" for one in leaks[:EXAMPLES])
            more = ", …" if len(leaks) > EXAMPLES else ""
            total = self.queries[split]
            yield f"{count:,} of {total:,} {split} queries {are} nearly {what} ({pairs}{more})"

    def to_json(self) -> dict[str, int]:
        """Number of queries by leak, such as {"test, queries, train": 10}."""
        kinds = {(one.split, one.kind, one.other_split, one.qid) for one in self.found}
        counts = Counter(f"{split}, {kind}, {other}" for split, kind, other, _ in kinds)
        return dict(sorted(counts.items()))

    def write(self, path: Path, overwrite: bool = False) -> None:
        """Writes all leaks as a TSV file with a header.

        Raises:
            I3Error: it exists, or cannot be written.
        """
        with new_file(path, overwrite) as file:
            rows = (leak.row() for leak in self.found)
            file.writelines("\t".join(row) + "\n" for row in (COLUMNS, *rows))


def query_leaks(splits: Splits, overlap: float) -> Iterator[Leak]:
    """Queries of a split that are nearly those of a split before it.

    Args:
        splits: texts by query id, by split.
        overlap: see `NearTexts`.
    """
    names = in_order(splits)
    for place, name in enumerate(names[1:], start=1):
        qids, texts = list(splits[name]), list(splits[name].values())
        if not texts:
            continue
        compared = NearTexts(texts, overlap)
        for before in names[:place]:
            others, other_texts = list(splits[before]), list(splits[before].values())
            with tqdm(total=len(others), desc=f"{before}, {name}", unit=" queries", delay=2) as bar:
                for near in compared.near(other_texts):
                    bar.update(near.other - bar.n)
                    pair = texts[near.text], other_texts[near.other]
                    other, qid = others[near.other], qids[near.text]
                    yield Leak("queries", name, qid, before, other, None, near.overlap, pair)


def leak_note(
    train: Mapping[str, str], test: Path, name: str = LAST, overlap: float = 0.8
) -> list[str]:
    """A line if test queries are nearly training queries, for who trains and tests with them.

    Args:
        train: texts of training queries, by id or place.
        test: a file of topics.
        name: what its queries are for.
        overlap: see `NearTexts`.

    Raises:
        I3Error: the file cannot be read.
    """
    splits = {FIRST: train, name: read_topics(str(test))}
    leaks = Leaks(
        list(query_leaks(splits, overlap)), {name: len(own) for name, own in splits.items()}
    )
    advice = "drop those from training with i3-pyserini data drop-leaks"
    return [f"{test}: {line}: {advice}" for line in leaks.lines()]


class PassageLeaks:
    """Finds queries that are nearly passages' own words, while the passages are read.

    Memory: the queries, and some thousand passages.

    Args:
        splits: texts by query id, by split; those of train are not looked for.
        relevant: relevant passages by query id, by split.
        overlap: see `NearTexts`.
    """

    def __init__(self, splits: Splits, relevant: Relevant, overlap: float) -> None:
        self._queries = [
            (name, qid, text)
            for name in in_order(splits)
            if name != FIRST
            for qid, text in splits[name].items()
        ]
        self._relevant = relevant
        self._near = NearTexts([text for _, _, text in self._queries] or [""], overlap)
        self._judged = frozenset(
            pid
            for name, of in relevant.items()
            if name != FIRST
            for ids in of.values()
            for pid in ids
        )
        self._waiting: list[tuple[str, Kind, str]] = []
        self.found: list[Leak] = []

    def passing(self, passages: Iterable[tuple[str, Passage]]) -> Iterator[tuple[str, Passage]]:
        """The passages, each compared when it has passed."""
        for place, passage in passages:
            if passage.title:
                self._waiting.append((passage.docid, "title", passage.title))
            if passage.docid in self._judged and passage.text:
                sentence, _ = first_sentence(passage.text)
                self._waiting.append((passage.docid, "first sentence", sentence))
            if len(self._waiting) >= BLOCK:
                self._compare()
            yield place, passage
        self._compare()

    def _compare(self) -> None:
        if self._queries:
            for near in self._near.near([text for _, _, text in self._waiting]):
                docid, kind, text = self._waiting[near.other]
                split, qid, query = self._queries[near.text]
                relevant = docid in self._relevant.get(split, {}).get(qid, ())
                if relevant or kind == "title":
                    pair = query, text
                    self.found.append(
                        Leak(kind, split, qid, "corpus", docid, relevant, near.overlap, pair)
                    )
        self._waiting = []


def in_order(splits: Iterable[str]) -> list[str]:
    """Names of splits: train first, test last, others by name between them."""
    return sorted(splits, key=lambda name: (name == LAST, name != FIRST, name))
