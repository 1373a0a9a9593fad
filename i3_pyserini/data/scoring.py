"""A teacher's scores of all candidates, in the original's `kd_train.jsonl`; can be interrupted."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from i3_pyserini.data.known import BLOCK as CHECKED
from i3_pyserini.data.known import KnownPassages, blocks
from i3_pyserini.data.unscored import Mined, Unscored, UnscoredQueries
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import file_hash, refuse_existing, refuse_inputs
from i3_pyserini.formats.journal import Journal, open_journal
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.textstore import TextStore, open_store
from i3_pyserini.search.pair_scorer import PairOptions, PairScorer

BLOCK = 64  # queries: enough pairs to sort them by length, few enough to lose


@dataclass(frozen=True)
class Scoring:
    """What is scored, and with what.

    Attributes:
        teacher: a cross-encoder's directory or hub name.
        options: how it reads and computes.
        mined: the queries and their candidates.
        collection: their texts.
        cache: folder for the text store; None for the collection's.
        reading: how the collection is read; see `Corpus.from_options`.
    """

    teacher: str
    options: PairOptions
    mined: Mined
    collection: Path
    cache: Path | None = None
    reading: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scored:
    """What was done.

    Attributes:
        queries: number of queries in the output.
        pairs: number of scores in it.
        resumed: how many of the queries an interrupted run had scored before.
    """

    queries: int
    pairs: int
    resumed: int


def score(scoring: Scoring, output: Path, overwrite: bool = False) -> Scored:
    """Scores all candidates, or resumes where an earlier call was interrupted.

    Queries are scored in blocks of 64, and every block is on the disk before the next begins. An
    output that was interrupted is the same to the byte as one that was not, on the same device
    and with the same batch size; another of these changes the last bits of the scores.

    Args:
        scoring: what is scored, and with what.
        output: the file to write. A line has `qid`, `query`, and `positives` and `negatives` with
            their `doc_id` and `score`, in the order of the input.
        overwrite: replace an older output, and what an interrupted run with other settings left.

    Raises:
        I3Error: an input is invalid, a passage is not in the collection, a score is
            not finite, or the output is in the way.
    """
    refuse_existing(output, overwrite)
    refuse_inputs([output], [*scoring.mined.files.values(), scoring.collection])
    queries = UnscoredQueries(scoring.mined)
    teacher = PairScorer(scoring.teacher, scoring.options)
    corpus = Corpus.from_options(scoring.collection, scoring.reading)
    settings = _settings(scoring, corpus, teacher)
    with open_journal(output, settings, overwrite) as journal:
        store = open_store(corpus, scoring.cache)
        total, pairs = _check(queries, store)
        done = _resume(journal, queries, total)
        with tqdm(total=total, initial=done, desc="score", unit=" queries") as progress:
            for block in blocks(queries.skip(done), BLOCK):
                journal.append("".join(_score(block, teacher, store)))
                progress.update(len(block))
        journal.finish()
    return Scored(total, pairs, done)


def _settings(scoring: Scoring, corpus: Corpus, teacher: PairScorer) -> dict[str, str | int | None]:
    """What the output depends on; files by their content, so that they may be moved."""
    mined = scoring.mined
    return {
        **teacher.describe(),
        **{name: _content([path]) for name, path in mined.files.items()},
        "collection": _content(corpus.files),
        **{f"collection {name}": str(value) for name, value in scoring.reading.items()},
        "min relevance": mined.min_relevance if mined.qrels else None,
        "max positives": mined.max_positives,
        "max negatives": mined.max_negatives,
        "block": BLOCK,
    }


def _content(files: Iterable[Path]) -> str:
    """Short hashes of files."""
    return " ".join(file_hash(file)[:16] for file in files)


def _check(queries: UnscoredQueries, store: TextStore) -> tuple[int, int]:
    """Reads all queries and looks up all passages; counts queries and pairs."""
    known = KnownPassages(store)
    total = pairs = 0
    with tqdm(desc="check candidates", unit=" queries", delay=2) as progress:
        for block in blocks(queries, CHECKED):
            known.check(block)
            total += len(block)
            pairs += sum(len(one.positives) + len(one.negatives) for one in block)
            progress.update(len(block))
    return total, pairs


def _resume(journal: Journal, queries: UnscoredQueries, total: int) -> int:
    """Keeps the blocks that are complete, and says how many queries they have.

    A block in which a line is torn, or is not what its query makes it, is scored again: scores
    depend on the block that they are made in.
    """
    done = size = kept = 0
    with tqdm(journal.lines(), desc="read what is done", unit=" queries", delay=2) as lines:
        for number, (line, query) in enumerate(zip(lines, queries, strict=False), start=1):
            if not _is_of(line, query):
                break
            size += len(line)
            if number % BLOCK == 0 or number == total:
                done, kept = number, size
    journal.cut(kept)
    return done


def _is_of(line: bytes, query: Unscored) -> bool:
    """Whether a line is what would be written for a query, whatever its scores."""
    try:
        record = json.loads(line)
        scores = [*record["positives"]["score"], *record["negatives"]["score"]]
        return _line(query, scores).encode("utf-8") == line
    except (ValueError, KeyError, TypeError):
        return False


def _score(block: list[Unscored], teacher: PairScorer, store: TextStore) -> Iterator[str]:
    """The lines of a block, all of whose pairs are scored together."""
    named = [(one, pid) for one in block for pid in (*one.positives, *one.negatives)]
    scores = teacher.score([(one.query, _text(one, pid, teacher, store)) for one, pid in named])
    for (one, pid), value in zip(named, scores, strict=True):
        if not math.isfinite(value):
            hint = "; use dtype bf16 or fp32" if teacher.options.dtype == "fp16" else ""
            raise I3Error(
                f"{one.place}: the teacher's score of query {one.qid} and passage {pid} is "
                f"{value}{hint}"
            )
    rest = iter(scores)
    for one in block:
        yield _line(one, list(islice(rest, len(one.positives) + len(one.negatives))))


def _text(query: Unscored, pid: str, teacher: PairScorer, store: TextStore) -> str:
    passage = store.get(pid)
    if passage is None:  # two ids with one hash
        raise I3Error(f"{query.place}: {pid} is not in the collection")
    return teacher.text(passage)


def _line(query: Unscored, scores: list[float]) -> str:
    """A line of the output; `scores` has those of the positives first."""
    count = len(query.positives)
    record = {
        "qid": query.qid,
        "query": query.query,
        "positives": {"doc_id": query.positives, "score": scores[:count]},
        "negatives": {"doc_id": query.negatives, "score": scores[count:]},
    }
    return json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
