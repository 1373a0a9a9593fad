"""Queries whose passages are still to be scored, read from either file of mined negatives."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import cast

from i3_pyserini.data.candidates import Candidates, NegativesFile, is_id, pids_of
from i3_pyserini.data.queries import read_judged_queries
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.corpus_files import COMPRESSED
from i3_pyserini.formats.lines import read_jsonl, refuse_surrogates


@dataclass(frozen=True)
class Unscored(Candidates):
    """One query and the passages to score for it.

    Attributes:
        qid: the query's id.
    """

    qid: str


@dataclass(frozen=True)
class Mined:
    """The files that say what is to be scored.

    Attributes:
        negatives: what `mine_negatives` writes: `train_negs.tsv`, or its `.jsonl`.
        queries: query texts, `qid<TAB>query`; only for TSV, which has none.
        qrels: their positives, for the same files.
        min_relevance: from which relevance on a passage is a positive.
        max_positives: maximum positives per query; None for all.
        max_negatives: maximum negatives per query; None for all.
    """

    negatives: Path
    queries: Path | None = None
    qrels: Path | None = None
    min_relevance: int = 1
    max_positives: int | None = None
    max_negatives: int | None = None

    @property
    def files(self) -> dict[str, Path]:
        """The files, by what they are."""
        named = {"negatives": self.negatives, "queries": self.queries, "qrels": self.qrels}
        return {name: path for name, path in named.items() if path is not None}


class UnscoredQueries:
    """All queries of the files, in order; nothing but query texts and positives is kept.

    Args:
        mined: the files.

    Raises:
        I3Error: a file is missing or empty, or they do not belong together.
    """

    def __init__(self, mined: Mined) -> None:
        self.mined = mined
        kinds = [suffix for suffix in mined.negatives.suffixes if suffix not in COMPRESSED]
        self._listed = None if kinds[-1:] == [".jsonl"] else _listed(mined)
        if self._listed is None and (mined.queries or mined.qrels):
            raise I3Error(
                f"{mined.negatives}: has queries and positives of its own; leave out topics and "
                "qrels"
            )
        if next(iter(self), None) is None:
            raise I3Error(f"{mined.negatives}: empty")

    def __iter__(self) -> Iterator[Unscored]:
        """Yields the queries.

        Raises:
            I3Error: a line is not as it should be.
        """
        lines = _records(self.mined.negatives) if self._listed is None else iter(self._listed)
        for one in lines:
            yield replace(
                one,
                positives=one.positives[: self.mined.max_positives],
                negatives=one.negatives[: self.mined.max_negatives],
            )

    def skip(self, count: int) -> Iterator[Unscored]:
        """Yields the queries after the first `count`."""
        return islice(self, count, None)


class _ListedNegatives(NegativesFile):
    def __iter__(self) -> Iterator[Unscored]:
        return cast(Iterator[Unscored], super().__iter__())  # all come from `_parse`

    def _parse(self, line: str, place: str) -> Unscored:
        return Unscored(**vars(super()._parse(line, place)), qid=line.split(maxsplit=1)[0])


def _listed(mined: Mined) -> _ListedNegatives:
    if mined.queries is None or mined.qrels is None:
        raise I3Error(
            f"{mined.negatives}: has ids only, so that topics and qrels are needed; or name "
            "the jsonl file of `mine_negatives`"
        )
    queries, positives = read_judged_queries(mined.queries, mined.qrels, mined.min_relevance)
    return _ListedNegatives(mined.negatives, queries, positives)


def _records(path: Path) -> Iterator[Unscored]:
    for number, record in read_jsonl(path):
        place = f"{path}, line {number}"
        query = record.get("query")
        if not isinstance(query, str) or not query.strip():
            raise I3Error(f"{place}: no field 'query' with a text")
        qid = record.get("qid")
        if not is_id(qid):
            raise I3Error(f"{place}: no field 'qid' with the query's id")
        positives, negatives = (pids_of(record, name, place) for name in ("positives", "negatives"))
        if not positives:
            raise I3Error(f"{place}: the query has no positive")
        for text in (query, str(qid), *positives, *negatives):
            refuse_surrogates(text, place)
        yield Unscored(query, positives, negatives, None, None, place, str(qid))
