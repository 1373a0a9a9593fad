"""Scores the first hits of a run block by block, so that an interrupted call can resume."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import ClassVar, Literal, Protocol

import numpy as np
import polars as pl
from tqdm import tqdm

from i3_pyserini.encode.encoder import load
from i3_pyserini.encode.flags import EncoderOptions
from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.atomic import file_hash
from i3_pyserini.formats.chunks import DELIMITER
from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.hits import NO_HIT, Hits
from i3_pyserini.formats.journal import Journal, open_journal
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.paths import WrittenRun
from i3_pyserini.formats.run_facts import collection_note
from i3_pyserini.formats.run_file import write_run
from i3_pyserini.formats.runs import Run, read_run
from i3_pyserini.formats.textstore import TextStore, open_store
from i3_pyserini.formats.topics import read_topics
from i3_pyserini.model.fingerprint import fingerprint, tokenizer_fingerprint
from i3_pyserini.search.job import tag_of
from i3_pyserini.search.origin import of_corpus, origin_of_reranking, queries_of

PAIRS = 1600  # pairs per block: enough to sort by length, few enough to lose
Settings = dict[str, str | int | None]
Dtype = Literal["fp32", "bf16", "fp16"]


class Scorer(Protocol):
    """Scores queries and passages.

    Attributes:
        name: name of the model.
        kind: of its scores.
    """

    name: str
    kind: ClassVar[str]

    def describe(self) -> Settings:
        """Everything that affects scores."""
        ...

    def score(self, pairs: Sequence[tuple[str, Passage]]) -> list[float]:
        """The scores of pairs, in order; may contain NaN or infinite values."""
        ...


class CrossScorer:
    """Scores pairs with a cross-encoder.

    Raises:
        I3Error: see `PairScorer`.
    """

    kind: ClassVar[str] = "cross-encoder"

    def __init__(
        self,
        name: str,
        template: str,
        max_length: int,
        batch_size: int,
        dtype: Dtype,
        device: str | None,
    ) -> None:
        from i3_pyserini.search.pair_scorer import PairOptions, PairScorer  # noqa: PLC0415  (an extra)

        self.name = name
        options = PairOptions(template, max_length, batch_size, dtype, device)
        self._scorer = PairScorer(name, options)

    def describe(self) -> Settings:
        """See `Scorer`."""
        return self._scorer.describe()

    def score(self, pairs: Sequence[tuple[str, Passage]]) -> list[float]:
        """See `Scorer`."""
        texts = [(query, self._scorer.text(passage)) for query, passage in pairs]
        return self._scorer.score(texts)


class ExactScorer:
    """Scores pairs with inner products of an encoder's vectors.

    Raises:
        I3Error: see `load`.
    """

    kind: ClassVar[str] = "exact inner products"

    def __init__(
        self,
        name: str,
        options: EncoderOptions,
        titles: bool,
        dtype: Dtype,
        device: str | None,
    ) -> None:
        self.name, self._titles, self._dtype = name, titles, dtype
        self._encoder = load(name, device=device, dtype=dtype, encoder=options)

    def describe(self) -> Settings:
        """See `Scorer`."""
        settings = {
            name: value if isinstance(value, int | str) else str(value)
            for name, value in asdict(self._encoder.settings).items()
        }
        directory = Path(self.name)
        known = fingerprint(directory) or self.name
        extra: Settings = {} if self._titles else {"titles": 0}
        tokenizer = tokenizer_fingerprint(directory)
        return {"encoder": known, "tokenizer": tokenizer, "dtype": self._dtype, **extra, **settings}

    def score(self, pairs: Sequence[tuple[str, Passage]]) -> list[float]:
        """See `Scorer`; each query and passage is encoded once."""
        queries = {query: row for row, query in enumerate(dict.fromkeys(q for q, _ in pairs))}
        passages = {passage.docid: passage for _, passage in pairs}
        rows = {docid: row for row, docid in enumerate(passages)}
        left = self._encoder.encode_queries(list(queries))
        right = self._encoder.encode_passages(
            [
                {"text": one.text, "title": one.title if self._titles else None}
                for one in passages.values()
            ]
        )
        places = [(queries[query], rows[passage.docid]) for query, passage in pairs]
        return [float(left[query] @ right[row]) for query, row in places]


@dataclass(frozen=True)
class Reranking:
    """The hits to score.

    Attributes:
        run: the run file.
        topics: its queries.
        corpus: its passages.
        depth: number of hits per query to score.
        cache: folder for the text store; None for the folder of the corpus.
    """

    run: Path
    topics: str
    corpus: Corpus
    depth: int
    cache: Path | None = None


@dataclass(frozen=True)
class Query:
    """A query and its hits.

    Attributes:
        qid: its id.
        text: its text.
        first: the hits to score, in the order of the run.
        rest: the hits below.
    """

    qid: str
    text: str
    first: list[str]
    rest: list[str]


def rerank(
    task: Reranking, scorer: Scorer, output: Path, tag: str | None, overwrite: bool
) -> WrittenRun:
    """Scores the hits and writes the run; resumes an interrupted call.

    Args:
        task: the hits to score.
        scorer: the scorer.
        output: the run file.
        tag: last column of the run; None for the model's name.
        overwrite: replace an existing run, and an interrupted call with other settings.

    Returns:
        The run that was written.

    Raises:
        I3Error: see `rerank_run`.
    """
    run, topics = read_run(task.run), read_topics(task.topics)
    queries = _queries(task, run, topics)
    searched = queries_of(topics, task.topics, of_corpus(task.corpus))
    for told in collection_note(run, searched, "the given corpus"):
        note(told)
    settings = {**scorer.describe(), **_settings(task, queries)}
    with open_journal(output, settings, overwrite) as journal:
        store = open_store(task.corpus, task.cache)
        _check(task, queries, store)
        blocks = list(_blocks(queries))
        done = _resume(journal, blocks)
        before = sum(len(block) for block in blocks[:done])
        with tqdm(total=len(queries), initial=before, desc="rerank", unit=" queries") as bar:
            for block in blocks[done:]:
                journal.append(_line(block, _scores(block, scorer, store)))
                bar.update(len(block))
        scores = [one for line in journal.lines() for one in json.loads(line)["scores"]]
        hits, docids = _ranked(queries, scores)
        qids = [query.qid for query in queries]
        tag = tag or tag_of(scorer.name)
        stage = {"name": tag, "method": scorer.kind, "model": scorer.name, "depth": task.depth}
        origin = origin_of_reranking(run, {**stage, "settings": scorer.describe()}, searched)
        write_run(output, qids, hits, docids, tag=tag, overwrite=overwrite, origin=origin)
        journal.discard()
    pairs = sum(len(query.first) for query in queries)
    resumed = f" ({before:,} were scored before)" if before else ""
    summary = f"{len(queries):,} queries{resumed}, {pairs:,} pairs scored by {scorer.name}"
    return WrittenRun(output, summary, len(queries))


def _queries(task: Reranking, run: Run, topics: Mapping[str, str]) -> list[Query]:
    missing = [qid for qid in run.queries if qid not in topics]
    if missing:
        more = f" and {len(missing) - 1:,} others" if missing[1:] else ""
        raise I3Error(f"{task.run}: query {missing[0]!r}{more} not in {task.topics}")
    if len(topics) > len(run.queries):
        absent = len(topics) - len(run.queries)
        note(f"{task.run}: {absent:,} of {len(topics):,} queries missing")
    return [
        Query(qid, topics[qid], docids[: task.depth], docids[task.depth :])
        for qid, docids in run.hits(run.queries)
    ]


def _settings(task: Reranking, queries: Sequence[Query]) -> Settings:
    """Everything that affects the scores; files by content, so that they may be moved."""
    hits = "\n".join(f"{one.qid}\t{one.text}\t{' '.join(one.first)}" for one in queries)
    files = [file_hash(file)[:16] for file in task.corpus.files]
    return {
        "queries and hits": sha256(hits.encode("utf-8", "surrogatepass")).hexdigest()[:16],
        "corpus": " ".join(files),
        "corpus options": json.dumps(task.corpus.options(), sort_keys=True),
        "depth": task.depth,
        "pairs of a block": PAIRS,
    }


def _check(task: Reranking, queries: Sequence[Query], store: TextStore) -> None:
    """Looks up all passages before scoring."""
    known: set[str] = set()
    for query in tqdm(queries, desc="check hits", unit=" queries", delay=2):
        for docid in query.first:
            if docid not in known and store.get(docid) is None:
                advice = "give the corpus that was searched"
                if store.get(f"{docid}{DELIMITER}0"):
                    advice = (
                        "it has windows of documents: search with --documents none, rerank that "
                        "run, and rank documents with i3-pyserini documents RUN --output NEW"
                    )
                raise I3Error(
                    f"{task.run}: passage {docid!r} of query {query.qid!r} is not in "
                    f"{task.corpus.path}; {advice}"
                )
            known.add(docid)


def _blocks(queries: Sequence[Query]) -> Iterator[list[Query]]:
    """Queries in order, in blocks of about `PAIRS` hits."""
    block: list[Query] = []
    size = 0
    for query in queries:
        block.append(query)
        size += len(query.first)
        if size >= PAIRS:
            yield block
            block, size = [], 0
    if block:
        yield block


def _resume(journal: Journal, blocks: Sequence[Sequence[Query]]) -> int:
    """Keeps the lines of these blocks and returns their number."""
    done = size = 0
    for line, block in zip(journal.lines(), blocks, strict=False):
        if not _is_of(line, block):
            break
        done, size = done + 1, size + len(line)
    journal.cut(size)
    return done


def _is_of(line: bytes, block: Sequence[Query]) -> bool:
    try:
        record = json.loads(line)
        return _line(block, record["scores"]).encode("utf-8") == line and [
            len(scores) for scores in record["scores"]
        ] == [len(query.first) for query in block]
    except (ValueError, KeyError, TypeError):
        return False


def _line(block: Sequence[Query], scores: Sequence[Sequence[float]]) -> str:
    record = {"qids": [query.qid for query in block], "scores": scores}
    return json.dumps(record, allow_nan=False) + "\n"


def _scores(block: Sequence[Query], scorer: Scorer, store: TextStore) -> list[list[float]]:
    """The scores of the first hits of each query in a block."""
    named = [(query, docid) for query in block for docid in query.first]
    pairs = [(query.text, _passage(store, docid)) for query, docid in named]
    scores = scorer.score(pairs)
    for (query, docid), value in zip(named, scores, strict=True):
        if not math.isfinite(value):
            raise I3Error(
                f"{scorer.name}: the score of query {query.qid} and passage {docid} is {value}; "
                "is the model damaged, or the range of its dtype too small?"
            )
    rest = iter(scores)
    return [list(islice(rest, len(query.first))) for query in block]


def _passage(store: TextStore, docid: str) -> Passage:
    passage = store.get(docid)
    assert passage is not None  # noqa: S101  (looked up before)
    return passage


def _ranked(queries: Sequence[Query], scores: Sequence[Sequence[float]]) -> tuple[Hits, Docids]:
    """All hits in their new order: by score, then docid, both descending; then the rest."""
    numbers: dict[str, int] = {}
    deepest = max(len(query.first) + len(query.rest) for query in queries)
    shape = len(queries), deepest
    hits = Hits(np.full(shape, -np.inf, dtype=np.float32), np.full(shape, NO_HIT, dtype=np.int64))
    for row, (query, own) in enumerate(zip(queries, scores, strict=True)):
        single = np.asarray(own, dtype=np.float32).tolist()
        order = sorted(zip(single, query.first, strict=True), reverse=True)
        lowest = order[-1][0]
        below = [(lowest - place, docid) for place, docid in enumerate(query.rest, start=1)]
        for place, (score, docid) in enumerate([*order, *below]):
            hits.scores[row, place] = score
            hits.rows[row, place] = numbers.setdefault(docid, len(numbers))
    return hits, Docids(pl.Series(list(numbers), dtype=pl.String))
