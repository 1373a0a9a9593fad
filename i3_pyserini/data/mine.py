"""Mines hard negatives from a run or an index."""

import math
import re
from os import fspath
from pathlib import Path

from i3_pyserini.errors import I3Error, at_least_1
from i3_pyserini.formats.corpus_options import USUAL, CorpusOptions
from i3_pyserini.formats.paths import AnyPath, NameOrPath, Written


def mine_negatives(
    topics: AnyPath,
    qrels: AnyPath,
    corpus: AnyPath,
    *,
    output: AnyPath,
    run: AnyPath | None = None,
    index: AnyPath | None = None,
    model: NameOrPath | None = None,
    jsonl: AnyPath | None = None,
    depth: str = "1-200",
    per_query: int = 64,
    seed: int | None = None,
    teacher: AnyPath | None = None,
    margin: float | None = None,
    min_relevance: int = 1,
    cache: AnyPath | None = None,
    device: str | None = None,
    overwrite: bool = False,
    corpus_options: CorpusOptions = USUAL,
) -> Written:
    """Mines hard negatives from the hits of a run or of an index.

    Positives of the query, passages with the text of a positive, and repeated texts are excluded.

    Args:
        topics: the queries, `qid<TAB>query`.
        qrels: their relevance judgments.
        corpus: the corpus, a file or folder.
        output: the file to write, with lines `qid<TAB>pid,pid,…` as in the original's
            train_negs.tsv.
        run: the run with hits; or give an index.
        index: an encoded index to search.
        model: the model that encoded the index. Default: the one in its manifest.
        jsonl: a second file to write, with queries, positives and ranks, for `score_pairs`.
        depth: ranks to take negatives from, such as 1-200.
        per_query: maximum negatives per query.
        seed: random seed, to draw negatives at random. Default: the highest-ranked are used.
        teacher: a file of `score_pairs`, to exclude false negatives with `margin`.
        margin: exclude passages that the teacher scores less than this below a positive.
        min_relevance: minimum level of a positive.
        cache: folder for the text store. Default: the folder of the corpus.
        device: where queries are encoded and a flat index is searched, such as cuda:0. Default: the
            first GPU, or the CPU if there is none.
        overwrite: replace existing files.
        corpus_options: how to read the corpus, if the index manifest does not record it.

    Returns:
        The file of negatives.

    Raises:
        I3Error: an input is invalid or contradicts another, a file exists, or no query has a
            negative.
    """
    first, last = _range_of(depth)
    at_least_1(per_query=per_query)
    if (run is None) == (index is None):
        raise I3Error("expected either run or index")
    if run is not None and (model or device):
        raise I3Error("model and device require index")
    if (teacher is None) != (margin is None):
        raise I3Error("teacher and margin must be given together")
    margin = 0.0 if margin is None else margin
    if not (margin >= 0 and math.isfinite(margin)):
        raise I3Error(f"margin is {margin}, must be at least 0")
    from i3_pyserini.data.mining import Index, Outputs, Sources, mine
    from i3_pyserini.data.negatives import Selection

    named = None if model is None else fspath(model)
    sources = Sources(
        Path(run) if run is not None else Index(Path(index or ""), named, device),
        Path(topics),
        Path(qrels),
        Path(corpus),
        _path(teacher),
        _path(cache),
        corpus_options.reading(),
    )
    selection = Selection(first, last, per_query, seed, margin, min_relevance)
    found = mine(sources, selection, Outputs(Path(output), _path(jsonl), overwrite))
    return Written(Path(output), str(found))


def _path(path: AnyPath | None) -> Path | None:
    return None if path is None else Path(path)


def _range_of(depth: str) -> tuple[int, int]:
    matched = re.fullmatch(r"([0-9]{1,9})-([0-9]{1,9})", depth)
    first, last = map(int, matched.groups()) if matched else (0, 0)
    if not 1 <= first <= last:
        raise I3Error(
            f"depth is {depth!r}, must be a range of ranks starting at 1 or higher, such as 1-200"
        )
    return first, last
