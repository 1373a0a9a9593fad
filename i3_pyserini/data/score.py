"""Scoring queries and passages with a cross-encoder, for distillation."""

from importlib.util import find_spec
from os import fspath
from pathlib import Path
from typing import Literal

from i3_pyserini.errors import I3Error, at_least_1
from i3_pyserini.formats.corpus_options import USUAL, CorpusOptions
from i3_pyserini.formats.paths import AnyPath, NameOrPath, Written


def score_pairs(
    negatives: AnyPath,
    corpus: AnyPath,
    *,
    teacher: NameOrPath,
    output: AnyPath,
    topics: AnyPath | None = None,
    qrels: AnyPath | None = None,
    min_relevance: int = 1,
    max_positives: int | None = None,
    max_negatives: int | None = None,
    template: str = "{title} {text}",
    max_length: int = 512,
    batch_size: int = 64,
    dtype: Literal["fp32", "bf16", "fp16"] = "fp32",
    device: str | None = None,
    cache: AnyPath | None = None,
    overwrite: bool = False,
    corpus_options: CorpusOptions = USUAL,
) -> Written:
    """Scores queries with their positives and negatives; the same call resumes an interrupted one.

    Scores are raw (logits). The file is the original's kd_train.jsonl.

    Args:
        negatives: what `mine_negatives` writes: `qid<TAB>pid,pid,…`, or its .jsonl.
        corpus: the passages, a file or folder.
        teacher: a cross-encoder, a directory or hub name.
        output: the file to write, such as kd_train.jsonl.
        topics: the queries, `qid<TAB>query`; only for TSV negatives.
        qrels: their judgements; only for TSV negatives.
        min_relevance: from which level on a passage is a positive.
        max_positives: only the first so many of each query.
        max_negatives: only the first so many of each query.
        template: a passage's text; may have {title} and {sep} besides {text}.
        max_length: most ids of a pair.
        batch_size: pairs that are scored together.
        dtype: of the weights and of the computation.
        device: such as cuda:0; the first GPU or else the CPU by default.
        cache: folder for the text store; the corpus's own by default.
        overwrite: replace an older file, and an interrupted one that had other settings.
        corpus_options: how the corpus is read.

    Returns:
        The file of scores.

    Raises:
        I3Error: sentence-transformers is not installed, an input is invalid, a passage is not in
            the corpus, a score is not finite, or the file exists.
    """
    at_least_1(batch_size=batch_size, max_length=max_length)
    at_least_1(max_positives=max_positives, max_negatives=max_negatives)
    if find_spec("sentence_transformers") is None:
        raise I3Error("scoring needs sentence-transformers: pip install 'i3-pyserini[score]'")
    from i3_pyserini.data.scoring import Scoring, score
    from i3_pyserini.data.unscored import Mined
    from i3_pyserini.search.pair_scorer import PairOptions

    mined = Mined(
        Path(negatives),
        None if topics is None else Path(topics),
        None if qrels is None else Path(qrels),
        min_relevance,
        max_positives,
        max_negatives,
    )
    scoring = Scoring(
        fspath(teacher),
        PairOptions(template, max_length, batch_size, dtype, device),
        mined,
        Path(corpus),
        None if cache is None else Path(cache),
        corpus_options.reading(),
    )
    done = score(scoring, Path(output), overwrite)
    resumed = f" ({done.resumed:,} were scored before)" if done.resumed else ""
    return Written(Path(output), f"{done.queries:,} queries{resumed}, {done.pairs:,} scores")
