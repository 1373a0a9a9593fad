"""Scores query-passage pairs with a cross-encoder, for distillation."""

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
    """Scores positives and negatives of queries; the same call resumes an interrupted one.

    Scores are raw (logits). The file has the format of the original's kd_train.jsonl.

    Args:
        negatives: output of `mine_negatives`: the .tsv (`qid<TAB>pid,pid,…`) or the .jsonl file.
        corpus: the corpus, a file or folder.
        teacher: directory or hub name of a cross-encoder.
        output: the file to write, such as kd_train.jsonl.
        topics: the queries, `qid<TAB>query`; only for TSV negatives.
        qrels: their relevance judgments; only for TSV negatives.
        min_relevance: minimum level of a positive.
        max_positives: maximum positives per query.
        max_negatives: maximum negatives per query.
        template: template for passages; may contain {title}, {text} and {sep}.
        max_length: maximum ids of a pair.
        batch_size: pairs per batch.
        dtype: precision of weights and computation.
        device: such as cuda:0. Default: the first GPU, or the CPU if there is none.
        cache: folder for the text store. Default: the folder of the corpus.
        overwrite: replace an existing file, and an interrupted call with other settings.
        corpus_options: how to read the corpus, if its format is unusual.

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
