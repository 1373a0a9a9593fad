"""Reading qrels and runs, checked: nothing odd in them is accepted in silence."""

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from i3_pyserini.datasets import from_ir_datasets
from i3_pyserini.errors import I3Error

TREC_RUN = ["query_id", "q0", "doc_id", "rank", "score", "tag"]
MSMARCO_RUN = ["query_id", "doc_id", "rank"]
TREC_QRELS = ["query_id", "iteration", "doc_id", "relevance"]
RELEVANT_PAIRS = ["query_id", "doc_id"]
IR_DATASETS = {
    "msmarco-passage-dev": "msmarco-passage/dev/small",
    "trec-dl-2019": "msmarco-passage/trec-dl-2019/judged",
    "trec-dl-2020": "msmarco-passage/trec-dl-2020/judged",
}


@dataclass
class Run:
    """A run, ranked.

    Attributes:
        name: the file's name.
        frame: columns query_id, doc_id and score (float64); within a query in the order of
            trec_eval (score, then docid, both falling), with scores made strictly decreasing,
            so that every provider of ir-measures ranks it alike.
        scores: what the file says of each row: the score, or the rank below zero.
        warnings: what a reader of its scores must know.
        scored: whether the file has scores, and not ranks alone.
    """

    name: str
    frame: pd.DataFrame
    scores: pd.Series
    warnings: list[str] = field(default_factory=list)
    scored: bool = True


def read_qrels(name_or_path: str) -> pd.DataFrame:
    """Reads qrels.

    Args:
        name_or_path: a TREC file (`qid 0 docid relevance`) or one with a relevant pair a line
            (`qid docid`), plain or gzipped; or one of the presets' names or an ir_datasets id.

    Returns:
        Columns query_id, doc_id (strings) and relevance (int).

    Raises:
        I3Error: there are none, or a line is not as it should be.
    """
    path = Path(name_or_path)
    if not path.exists():
        return from_ir_datasets(
            IR_DATASETS.get(name_or_path, name_or_path),
            _judgements,
            "Download the qrels and name the file",
        )
    frame = _read_columns(path, {4: TREC_QRELS, 2: RELEVANT_PAIRS}, "qrels")
    if "relevance" in frame:
        if len(frame) > 1 and frame["doc_id"].nunique() == 1 < frame["iteration"].nunique():
            raise I3Error(
                f"{path}: the third column is {frame['doc_id'].iloc[0]!r} throughout, so it is no "
                "passage id; if the columns are qid, pid, index, score, keep the first two"
            )
        frame["relevance"] = _numbers(frame["relevance"], path, "relevance").astype(int)
    else:
        frame["relevance"] = 1
    _refuse_repeats(frame, path, "judged")
    return frame[["query_id", "doc_id", "relevance"]]


def read_run(path: Path) -> Run:
    """Reads a run in TREC's six columns or MS MARCO's three, plain or gzipped.

    Raises:
        I3Error: it is neither, or a score is not a number, or a passage is ranked twice.
    """
    frame = _read_columns(path, {6: TREC_RUN, 3: MSMARCO_RUN}, "run")
    warnings = []
    if "score" in frame:
        # trec_eval holds scores in single precision, so that what is equal there is a tie.
        score = _numbers(frame["score"], path, "score").astype(np.float32)
        tied = int(pd.DataFrame({"q": frame["query_id"], "s": score}).duplicated().sum())
        if tied:
            warnings.append(f"{tied} passages tie with one above them: ordered by docid, falling")
    else:
        score = -_numbers(frame["rank"], path, "rank")
    _refuse_repeats(frame, path, "ranked")
    scored = "score" in frame
    frame = frame[["query_id", "doc_id"]].assign(score=score)
    ranked = frame.sort_values(
        ["query_id", "score", "doc_id"], ascending=[True, False, False], kind="stable"
    )
    if not _same_order(frame, ranked):
        warnings.append("the lines are not in the order of their scores: ranked by score")
    position = ranked.groupby("query_id").cumcount()
    strict = ranked.assign(score=-position.astype(float))
    return Run(path.name, strict, ranked["score"].astype(float), warnings, scored)


def _same_order(frame: pd.DataFrame, ranked: pd.DataFrame) -> bool:
    """Whether every query's scores fall from line to line, ties aside."""
    steps = frame.groupby("query_id", sort=False)["score"].diff()
    return not bool((steps > 0).any()) and len(frame) == len(ranked)


def _read_columns(path: Path, layouts: dict[int, list[str]], what: str) -> pd.DataFrame:
    expected = " or ".join(f"{len(names)} ({' '.join(names)})" for names in layouts.values())
    try:
        frame = pd.read_csv(
            path,
            sep=r"\s+",
            header=None,
            dtype=str,
            keep_default_na=False,
            quoting=csv.QUOTE_NONE,
            encoding="utf-8",
        )
    except pd.errors.EmptyDataError as error:
        raise I3Error(f"{path}: empty; expected a {what}") from error
    except pd.errors.ParserError as error:  # names the line
        detail = str(error).replace("Error tokenizing data. C error: ", "").strip()
        raise I3Error(f"{path}: {detail}; a {what} has columns {expected}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise I3Error(f"{path}: cannot be read ({error})") from error
    names = layouts.get(frame.shape[1])
    if names is None:
        raise I3Error(
            f"{path}, line 1: {frame.shape[1]} column(s): {' '.join(frame.iloc[0])!r:.80}; "
            f"a {what} has {expected}"
        )
    frame.columns = pd.Index(names)
    short = (frame == "").any(axis=1)
    if short.any():
        raise I3Error(f"{path}, line {int(np.argmax(short)) + 1}: fewer columns than {len(names)}")
    return frame


def _numbers(column: pd.Series, path: Path, name: str) -> pd.Series:
    values = pd.to_numeric(column, errors="coerce")
    bad = ~np.isfinite(values)
    if bad.any():
        row = int(np.argmax(bad))
        raise I3Error(f"{path}, line {row + 1}: {name} {column.iloc[row]!r} is not a finite number")
    return values


def _refuse_repeats(frame: pd.DataFrame, path: Path, done: str) -> None:
    """Raises for the first line that names a query and passage of a line before."""
    twice = frame.duplicated(["query_id", "doc_id"])
    if twice.any():
        row = frame[twice].iloc[0]
        raise I3Error(
            f"{path}, line {int(np.argmax(twice)) + 1}: passage {row.doc_id!r} is {done} a second "
            f"time for query {row.query_id!r}"
        )


def _judgements(data: Any) -> pd.DataFrame:
    rows = [(qrel.query_id, qrel.doc_id, int(qrel.relevance)) for qrel in data.qrels_iter()]
    return pd.DataFrame(rows, columns=["query_id", "doc_id", "relevance"])
