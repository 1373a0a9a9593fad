"""Writes hard negatives from the hits of a run or an index.

Texts and scores are read on demand, an index is searched in batches, and negatives are written
query by query. A run is kept in memory, at about 100 bytes per line. For the collection see
`same_text`, for an index `index_hits`.
"""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from tqdm import tqdm

from i3_pyserini.data.negatives import Negatives, Query, Reason, Selection, Selector
from i3_pyserini.data.queries import read_judged_queries
from i3_pyserini.data.same_text import TextHashes
from i3_pyserini.data.teacher_scores import TeacherScores
from i3_pyserini.encode.flags import QueryFlags
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import new_file, refuse_inputs
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.runs import Run, read_run
from i3_pyserini.formats.textstore import open_store

if TYPE_CHECKING:
    from i3_pyserini.data.index_hits import IndexHits


@dataclass(frozen=True)
class Index:
    """An encoded index to search.

    Attributes:
        path: a folder with `index` and `docid`.
        encoder: the model that encoded it; None for the one in its manifest.
        device: such as "cuda:0"; None for the first GPU, or the CPU if there is none.
    """

    path: Path
    encoder: str | None = None
    device: str | None = None


@dataclass(frozen=True)
class Sources:
    """The inputs of mining.

    Attributes:
        hits: a run file, or an index.
        topics: `qid<TAB>query` lines.
        qrels: the judgements.
        collection: the collection, as for `open_store`.
        teacher: a file of scores as `score_pairs` writes it, for `Selection.margin`.
        cache: folder for the text store; None for the folder of the collection.
        reading: how to read the collection, if the index manifest does not record it; see
            `Corpus.from_options`.
    """

    hits: Path | Index
    topics: Path
    qrels: Path
    collection: Path
    teacher: Path | None = None
    cache: Path | None = None
    reading: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outputs:
    """The output files.

    Attributes:
        negatives: the original's `train_negs.tsv`: `qid<TAB>pid,pid,…`.
        jsonl: a file with query, positives and ranks; None for no file.
        overwrite: replace existing files.
    """

    negatives: Path
    jsonl: Path | None = None
    overwrite: bool = False


@dataclass
class Summary:
    """Counts of mining.

    Attributes:
        queries: number of queries written.
        negatives: number of negatives written.
        unscored: number of negatives without a teacher score; None without a teacher.
        left_out: number of excluded hits within the ranks, by reason.
        without_positive: number of topics without a positive.
        without_hits: number of topics with a positive but without hits.
        without_negative: number of queries without any negative; they are not written.
        unknown: number of queries of the run that are not in the topics.
    """

    queries: int = 0
    negatives: int = 0
    unscored: int | None = None
    left_out: Counter[Reason] = field(default_factory=Counter)
    without_positive: int = 0
    without_hits: int = 0
    without_negative: int = 0
    unknown: int = 0

    def add(self, found: Negatives) -> None:
        """Counts a query's negatives."""
        self.queries += bool(found.pids)
        self.without_negative += not found.pids
        self.negatives += len(found.pids)
        self.left_out.update(found.left_out)
        if self.unscored is not None:
            self.unscored += found.unscored

    def __str__(self) -> str:
        reasons = list(Reason)
        if self.unscored is None:
            reasons.remove(Reason.FALSE_NEGATIVE)
        hits = ", ".join(f"{self.left_out[reason]:,} {reason.value}" for reason in reasons)
        scored = f" ({self.unscored:,} unscored)" if self.unscored is not None else ""
        return (
            f"{self.queries:,} queries with {self.negatives / self.queries:.1f} negatives on "
            f"average{scored}; hits left out: {hits}; queries left out: {self.without_positive:,} "
            f"without a positive, {self.without_hits:,} without hits, {self.without_negative:,} "
            f"without a negative; {self.unknown:,} of the run are not in the topics"
        )


def mine(sources: Sources, selection: Selection, outputs: Outputs) -> Summary:
    """Writes hard negatives.

    Args:
        sources: the inputs.
        selection: which hits become negatives.
        outputs: the files to write; queries are in the order of the topics.

    Returns:
        What was found.

    Raises:
        I3Error: an input is invalid or contradicts another, an output exists or cannot be written,
            or no query has a negative.
    """
    hits_path = sources.hits.path if isinstance(sources.hits, Index) else sources.hits
    inputs = (hits_path, sources.topics, sources.qrels, sources.collection, sources.teacher)
    refuse_inputs((outputs.negatives, outputs.jsonl), inputs)
    topics, positives = read_judged_queries(sources.topics, sources.qrels, selection.min_relevance)
    judged = _judged(topics, positives, sources)
    summary = Summary(without_positive=len(topics) - len(judged))
    with ExitStack() as stack:
        paths = [outputs.negatives, outputs.jsonl] if outputs.jsonl else [outputs.negatives]
        files = [  # the last one appears first
            stack.enter_context(new_file(path, outputs.overwrite, before=outputs.negatives))
            for path in paths
        ]
        hits = _opened(sources.hits)
        queries = _with_hits(hits, topics, judged, sources, summary)
        teacher = TeacherScores(sources.teacher, queries) if sources.teacher else None
        summary.unscored = 0 if teacher else None
        texts = TextHashes(open_store(_corpus(sources, hits), sources.cache))
        _check_passages(hits, queries, positives, texts, sources)
        selector = Selector(texts, selection, str(hits_path), teacher)
        shown = tqdm(hits.hits(queries, selection.last), total=len(queries), desc="mine", delay=2)
        for qid, pids in shown:
            query = Query(qid, queries[qid], positives[qid])
            negatives = selector.choose(query, pids)
            summary.add(negatives)
            if negatives.pids:
                _write(files, query, negatives)
        if not summary.queries:
            raise I3Error(
                f"{hits_path}: no query has a negative at ranks {selection.first} to "
                f"{selection.last}; widen depth, or lower margin if there is one"
            )
        for file in files:  # so that a full disk shows before the first of them appears
            file.flush()
            os.fsync(file.fileno())
    return summary


def _judged(
    topics: dict[str, str], positives: Mapping[str, Sequence[str]], sources: Sources
) -> dict[str, str]:
    """The topics that have a positive."""
    judged = {qid: query for qid, query in topics.items() if qid in positives}
    if not judged:
        raise I3Error(
            f"{sources.qrels}: no positive for any of the {len(topics):,} queries of "
            f"{sources.topics}; do the query ids match?"
        )
    if odd := next((qid for qid in judged if qid.split() != [qid]), None):
        raise I3Error(
            f"{sources.topics}: query id {odd!r} contains white space, which is not allowed in a "
            "file of negatives; rename it"
        )
    return judged


def _opened(source: Path | Index) -> "Run | IndexHits":
    if isinstance(source, Path):
        return read_run(source)
    # A run needs no model, and so neither FAISS nor torch, which take seconds to import.
    from i3_pyserini.data.index_hits import IndexHits  # noqa: PLC0415  (FAISS: runs need none)
    from i3_pyserini.encode.index_encoder import quickest_device  # noqa: PLC0415  (FAISS)
    from i3_pyserini.search.searcher import Searcher  # noqa: PLC0415  (FAISS)

    device = quickest_device(source.device)
    searcher = Searcher(source.path, device=device)
    searcher.load_encoder(QueryFlags(source.encoder, device=device))
    return IndexHits(searcher)


def _corpus(sources: Sources, hits: "Run | IndexHits") -> Corpus:
    """The collection, read as it was for the index."""
    if isinstance(hits, Run):
        return Corpus.from_options(sources.collection, sources.reading)

    return hits.searcher.corpus(sources.collection, sources.reading)


def _with_hits(
    hits: "Run | IndexHits",
    topics: Mapping[str, str],
    judged: dict[str, str],
    sources: Sources,
    summary: Summary,
) -> dict[str, str]:
    """The judged topics that have hits; the others are counted."""
    if not isinstance(hits, Run):
        return judged
    ranked = set(hits.queries)
    found = {qid: query for qid, query in judged.items() if qid in ranked}
    if not found:
        raise I3Error(
            f"{sources.hits}: contains none of the {len(judged):,} judged queries of "
            f"{sources.topics}; "
            "do the query ids belong together?"
        )
    summary.without_hits = len(judged) - len(found)
    summary.unknown = sum(qid not in topics for qid in ranked)
    return found


def _check_passages(
    hits: "Run | IndexHits",
    queries: Mapping[str, str],
    positives: Mapping[str, Sequence[str]],
    texts: TextHashes,
    sources: Sources,
) -> None:
    """Looks up what can be looked up before the long work; a run's hits are as they are read."""
    pairs = [(qid, pid) for qid in queries for pid in positives[qid]]
    _, known = texts.look_up([pid for _, pid in pairs])
    if not known.all():
        qid, pid = pairs[int(known.argmin())]
        raise I3Error(
            f"{sources.qrels}: positive {pid!r} of query {qid} is not in {sources.collection}"
        )
    if not isinstance(hits, Run):
        hits.check_passages(texts)


def _write(files: list[TextIO], query: Query, negatives: Negatives) -> None:
    record = {
        "qid": query.qid,
        "query": query.text,
        "positives": {"doc_id": list(query.positives)},
        "negatives": {"doc_id": negatives.pids, "rank": negatives.ranks},
    }
    lines = (f"{query.qid}\t{','.join(negatives.pids)}", json.dumps(record, ensure_ascii=False))
    for file, line in zip(files, lines, strict=False):
        file.write(f"{line}\n")
