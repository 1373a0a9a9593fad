"""A teacher's scores by query, left in their file until they are asked for."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from i3_pyserini.data.candidates import TeacherFile
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.lines import read_jsonl


@dataclass(frozen=True)
class Scores:
    """What the teacher says of one query.

    Attributes:
        lowest_positive: its lowest score of a passage that it was given as a positive.
        passages: its scores by passage id.
    """

    lowest_positive: float
    passages: Mapping[str, float]


class TeacherScores:
    """Scores of a file as `score_pairs` writes it, or the original's `kd_train.jsonl`.

    A line belongs to the query of its `qid`; one without, to all queries of its text. Memory is
    that of the query ids or texts.

    Args:
        path: the file; it is read once and checked.
        topics: query texts by query id.

    Raises:
        I3Error: a line is not as it should be or has another text than the query of its id, or no
            line is of these queries.
    """

    def __init__(self, path: Path, topics: Mapping[str, str]) -> None:
        self._file = TeacherFile(path)
        self._by_qid: dict[str, array[int]] = {}
        self._by_text: dict[str, array[int]] = {}
        texts = {_words(text) for text in topics.values()}
        lines = zip(read_jsonl(path), self._file, strict=True)
        shown = tqdm(lines, total=len(self._file), desc="read teacher", unit=" lines", delay=2)
        for number, ((_, record), candidates) in enumerate(shown):
            text, qid = _words(candidates.query), record.get("qid")
            if qid is None:
                if text in texts:
                    self._by_text.setdefault(text, array("q")).append(number)
            elif (own := topics.get(str(qid))) is not None:
                if _words(own) != text:
                    raise I3Error(
                        f"{candidates.place}: query {qid} is {candidates.query!r:.60} here, but "
                        f"{own!r:.60} in the topics; was another data set scored?"
                    )
                self._by_qid.setdefault(str(qid), array("q")).append(number)
        if not (self._by_qid or self._by_text):
            raise I3Error(f"{path}: none of the {len(topics):,} queries is scored here")

    def of(self, qid: str, query: str) -> Scores | None:
        """The scores of one query; None if the teacher does not have it.

        Args:
            qid: its id.
            query: its text.
        """
        numbers = self._by_qid.get(qid) or self._by_text.get(_words(query))
        if numbers is None:
            return None
        lowest, passages = float("inf"), dict[str, float]()
        for candidates in (self._file[number] for number in numbers):
            positive, negative = candidates.positive_scores, candidates.negative_scores
            assert positive is not None  # noqa: S101  (a teacher's file has scores)
            assert negative is not None  # noqa: S101  (likewise)
            lowest = min(lowest, *positive)
            pids = (*candidates.positives, *candidates.negatives)
            for pid, score in zip(pids, (*positive, *negative), strict=True):
                passages[pid] = max(score, passages.get(pid, score))
        return Scores(lowest, passages)


def _words(text: str) -> str:
    return " ".join(text.split())
