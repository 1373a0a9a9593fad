"""Training queries with their positives and negatives, read from the original's files.

The files are as large as the collection, so only the offset of each line is kept in memory.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.compression import is_compressed
from i3_pyserini.formats.lines import parse_object, read_jsonl, refuse_surrogates


@dataclass(frozen=True)
class Candidates:
    """One training query.

    Attributes:
        query: its text.
        positives: ids of relevant passages, at least one.
        negatives: ids of negative passages, best candidates first.
        positive_scores: the teacher's scores of the positives; None without a teacher.
        negative_scores: the teacher's scores of the negatives; None without a teacher.
        place: file and line, for messages.
    """

    query: str
    positives: list[str]
    negatives: list[str]
    positive_scores: list[float] | None
    negative_scores: list[float] | None
    place: str

    def without(self, unwanted: set[str]) -> "Candidates":
        """These candidates without some of the negatives."""
        keep = [pid not in unwanted for pid in self.negatives]
        return self._kept(keep)

    def below(self, score: float) -> "Candidates":
        """These candidates with only the negatives that the teacher scores below `score`."""
        assert self.negative_scores is not None  # noqa: S101  (asked for with scores only)
        return self._kept([own < score for own in self.negative_scores])

    def _kept(self, keep: list[bool]) -> "Candidates":
        scores = self.negative_scores
        return replace(
            self,
            negatives=[pid for pid, kept in zip(self.negatives, keep, strict=True) if kept],
            negative_scores=scores
            and [score for score, kept in zip(scores, keep, strict=True) if kept],
        )


class CandidateSource(ABC):
    """Training queries by number; subclasses implement sources."""

    has_scores = False

    def left_out(self) -> list[str]:
        """Ids of given queries that are not used for training."""
        return []

    @abstractmethod
    def ids(self) -> list[str]:
        """Ids of the training queries, in their order.

        Raises:
            I3Error: a line has none.
        """

    @abstractmethod
    def __len__(self) -> int:
        """Number of training queries."""

    @abstractmethod
    def __getitem__(self, number: int) -> Candidates:
        """One training query.

        Raises:
            I3Error: its line is invalid.
        """

    def __iter__(self) -> Iterator[Candidates]:
        """All training queries in order."""
        return (self[number] for number in range(len(self)))


class JudgedQueries(CandidateSource):
    """Queries with their judged positives and no negatives of their own.

    Args:
        queries: texts by query id.
        positives: relevant passages by query id; those of other queries are ignored.
        place: name for messages.

    Raises:
        I3Error: no query has a judgement.
    """

    def __init__(
        self, queries: Mapping[str, str], positives: Mapping[str, list[str]], place: str
    ) -> None:
        self.queries, self.positives, self.place = queries, positives, place
        self.qids = [qid for qid in queries if qid in positives]
        if not self.qids:
            raise I3Error(f"{place}: none of the {len(queries)} training queries is judged")

    def __len__(self) -> int:
        return len(self.qids)

    def ids(self) -> list[str]:
        """Ids of the queries with a positive."""
        return self.qids

    def left_out(self) -> list[str]:
        """Ids of the queries without a positive."""
        return [qid for qid in self.queries if qid not in self.positives]

    def __getitem__(self, number: int) -> Candidates:
        qid = self.qids[number]
        place = f"{self.place}, query {qid}"
        return Candidates(self.queries[qid], self.positives[qid], [], None, None, place)


class _Lines(CandidateSource):
    """A source with one query per line; keeps 16 bytes per line in memory."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise I3Error(f"{path}: no such file")
        if is_compressed(path):
            raise I3Error(
                f"{path}: is compressed; decompress it (lines are read with random access)"
            )
        self.path = path
        starts, numbers, start = [], [], 0
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    starts.append(start)
                    numbers.append(number)
                start += len(line)
        if not starts:
            raise I3Error(f"{path}: empty")
        self._starts = np.array(starts, dtype=np.int64)
        self._numbers = np.array(numbers, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, number: int) -> Candidates:
        with self.path.open("rb") as lines:
            lines.seek(int(self._starts[number]))
            return self._read(lines.readline(), number)

    def __iter__(self) -> Iterator[Candidates]:
        with self.path.open("rb") as lines:
            for number, line in enumerate(line for line in lines if line.strip()):
                yield self._read(line, number)

    def _read(self, raw: bytes, number: int) -> Candidates:
        place = f"{self.path}, line {self._numbers[number]}"
        try:
            return self._parse(raw.decode("utf-8-sig").strip(), place)
        except UnicodeDecodeError as error:
            raise I3Error(f"{place}: not valid UTF-8") from error

    @abstractmethod
    def _parse(self, line: str, place: str) -> Candidates: ...


class NegativesFile(_Lines):
    """The original's `train_negs.tsv`: `qid<TAB>pid,pid,…`, one query per line.

    Args:
        path: the file.
        queries: texts by query id.
        positives: relevant passages by query id.
    """

    def __init__(
        self, path: Path, queries: Mapping[str, str], positives: Mapping[str, list[str]]
    ) -> None:
        super().__init__(path)
        self.queries, self.positives = queries, positives

    def ids(self) -> list[str]:
        """The first word of each line; reads the file once."""
        with self.path.open("rb") as lines:
            starts = [words[0] for line in lines if (words := line.split(None, 1))]
        return [start.decode("utf-8-sig", "replace") for start in starts]

    def left_out(self) -> list[str]:
        """Ids of the queries without a line; reads the file once."""
        found = set(self.ids())
        return [qid for qid in self.queries if qid not in found]

    def _parse(self, line: str, place: str) -> Candidates:
        qid, *rest = line.split() or [""]
        if not qid or len(rest) > 1:
            raise I3Error(f"{place}: expected a query id, a tab and ids joined by commas")
        negatives = [pid for pid in rest[0].split(",") if pid] if rest else []
        if qid not in self.queries:
            raise I3Error(f"{place}: query {qid} has no text in the training queries")
        positives = self.positives.get(qid)
        if not positives:
            raise I3Error(f"{place}: query {qid} has no positive in the training qrels")
        return Candidates(self.queries[qid], positives, negatives, None, None, place)


class TeacherFile(_Lines):
    """The original's `kd_train.jsonl`: queries with candidates scored by a teacher.

    `{"query": …, "positives": {"doc_id": […], "score": […]}, "negatives": {…}}` a line.

    Args:
        path: the file.
    """

    has_scores = True

    def ids(self) -> list[str]:
        """The fields `qid`; reads the file once.

        Raises:
            I3Error: a line has none.
        """
        found: list[str] = []
        for number, record in read_jsonl(self.path):
            if not is_id(record.get("qid")):
                raise I3Error(f"{self.path}, line {number}: no field 'qid' with the query's id")
            found.append(str(record["qid"]))
        return found

    def _parse(self, line: str, place: str) -> Candidates:
        try:
            record = parse_object(line.encode())
        except I3Error as error:
            raise I3Error(f"{place}: {error}") from error
        query = record.get("query")
        if not isinstance(query, str) or not query.strip():
            raise I3Error(f"{place}: no field 'query' with a text")
        positives, positive_scores = _scored(record, "positives", place)
        negatives, negative_scores = _scored(record, "negatives", place)
        if not positives:
            raise I3Error(f"{place}: the query has no positive")
        for text in (query, *positives, *negatives):
            refuse_surrogates(text, place)
        return Candidates(query, positives, negatives, positive_scores, negative_scores, place)


def pids_of(record: Mapping[str, Any], name: str, place: str) -> list[str]:
    """The passage ids of a field of mined or scored candidates.

    Args:
        record: a line of their file.
        name: "positives" or "negatives".
        place: file and line, for messages.

    Raises:
        I3Error: the field is missing, or a value is not an id.
    """
    part = record.get(name)
    pids = part.get("doc_id") if isinstance(part, dict) else None
    if not isinstance(pids, list) or not all(map(is_id, pids)):
        raise I3Error(f"{place}: no field {name!r} with a list 'doc_id' of ids")
    return [str(pid) for pid in pids]


def is_id(value: object) -> bool:
    """Whether a JSON value is an id: a string or an integer."""
    return isinstance(value, str | int) and not isinstance(value, bool) and bool(str(value).strip())


def _scored(record: dict[str, Any], name: str, place: str) -> tuple[list[str], list[float]]:
    pids, scores = pids_of(record, name, place), record[name].get("score")
    if not isinstance(scores, list):
        raise I3Error(f"{place}: no field {name!r} with a list 'score'")
    if len(pids) != len(scores):
        raise I3Error(f"{place}: {len(pids)} {name} but {len(scores)} scores")
    for pid, score in zip(pids, scores, strict=True):
        # Not math.isfinite, which fails for whole numbers that no float holds.
        number = isinstance(score, int | float) and not isinstance(score, bool)
        if not number or not abs(score) <= sys.float_info.max:
            raise I3Error(f"{place}: the teacher's score of passage {pid} is {score!r:.40}")
    return pids, [float(score) for score in scores]
