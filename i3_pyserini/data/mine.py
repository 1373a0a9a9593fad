"""Mining hard negatives from a run or an index."""

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
    """Mines hard negatives from the hits of a run or of an index that is searched.

    A query's positives, passages with a positive's text and repeats of a text are left out.

    Args:
        topics: the queries, `qid<TAB>query`.
        qrels: their judgements.
        corpus: the passages, a file or folder.
        output: the file to write, `qid<TAB>pid,pid,…` as the original's train_negs.tsv.
        run: the run to take hits from; or name an index.
        index: an encoded index to search.
        model: the model that encoded the index; by default the one that its manifest names.
        jsonl: another file to write: the same with queries, positives and ranks.
        depth: ranks to take negatives from, such as 1-200.
        per_query: most negatives of a query.
        seed: draw them at random; by default the best-ranked are taken.
        teacher: scores that tell false negatives, as `score_pairs` writes them; with `margin`.
        margin: leave out what the teacher scores less than this below a positive.
        min_relevance: from which level on a passage is a positive.
        cache: folder for the text store; the corpus's own by default.
        device: to encode queries on, such as cuda:0; the first GPU or else the CPU by default.
        overwrite: replace older files.
        corpus_options: how the corpus is read, where the index's manifest does not say.

    Returns:
        The file of negatives.

    Raises:
        I3Error: an input is invalid or does not fit the others, a file exists, or no query has a
            negative.
    """
    first, last = _range_of(depth)
    at_least_1(per_query=per_query)
    if (run is None) == (index is None):
        raise I3Error("hits come from a run or from an index: name one of run and index")
    if run is not None and (model or device):
        raise I3Error("model and device are for index; a run needs no model")
    if (teacher is None) != (margin is None):
        raise I3Error("teacher and margin go together; give both or neither")
    margin = 0.0 if margin is None else margin
    if not (margin >= 0 and math.isfinite(margin)):
        raise I3Error(f"margin is {margin}, must be a number from 0 on")
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
        raise I3Error(f"depth is {depth!r}, must be a range of ranks from 1 on, such as 1-200")
    return first, last
