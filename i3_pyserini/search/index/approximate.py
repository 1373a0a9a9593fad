"""Builds and tunes approximate indexes."""

from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING

from i3_pyserini.errors import I3Error, at_least_1
from i3_pyserini.formats.paths import AnyPath, NameOrPath, Written
from i3_pyserini.search.index.results import Tuned, in_words

if TYPE_CHECKING:
    from i3_pyserini.formats.hits import Scores


def build_index(
    vectors: AnyPath,
    *,
    output: AnyPath,
    type: str,  # noqa: A002  (the option's name)
    training: int | None = None,
    seed: int = 0,
    dimensions: int | None = None,
    overwrite: bool = False,
) -> Written:
    """Builds a smaller or faster index from encoded vectors.

    Args:
        vectors: a directory of encoded vectors, such as a flat index.
        output: the directory to write.
        type: flat, fp16, sq8, hnsw, ivf-flat, ivf-sq8, ivf-pq or rabitq, or a FAISS factory string.
        training: number of training vectors. Default: suitable for the type.
        seed: random seed for their choice.
        dimensions: keep only so many first dimensions of each vector, for models trained for that
            (`loss.matryoshka`); queries are shortened alike. Default: all.
        overwrite: replace an existing index.

    Returns:
        The directory that was written.

    Raises:
        I3Error: the vectors are damaged or contain NaN or infinite values, the type is unknown or
            needs more vectors for training, or the output cannot be written.
    """
    at_least_1(training=training, dimensions=dimensions)
    from i3_pyserini.formats.index_output import IndexOutput
    from i3_pyserini.search.index.build import build

    folder = Path(output)
    target = IndexOutput(folder, "faiss", overwrite)
    built = build(Path(vectors), target, type, training, seed, dimensions)
    size, parameters = (folder / "index").stat().st_size, in_words(built.plan.parameters)
    summary = f"{built.plan.factory} of {built.shape.passages:,} passages, {size / 1e6:,.1f} MB"
    return Written(folder, f"{summary}; {parameters}" if parameters else summary)


def tune_index(
    index: AnyPath,
    topics: NameOrPath | None = None,
    *,
    target_recall: float,
    k: int = 1000,
    queries: AnyPath | None = None,
    against: AnyPath | None = None,
) -> Tuned:
    """Finds the fastest search parameters that reach a recall, and stores them in the index.

    Args:
        index: a directory of an approximate index.
        topics: dev queries, not those to report: a TSV, CSV or JSONL file, or the name of a data
            set.
        target_recall: required recall@k, compared with exact search.
        k: the k of recall@k.
        queries: folder of encoded queries, instead of `topics`.
        against: a flat index of the same passages. Default: the one that the index was built from.

    Returns:
        The parameters tried, and those stored.

    Raises:
        I3Error: the index has no parameters, its passages or model differ from the other inputs, or
            the target cannot be reached.
    """
    at_least_1(k=k)
    if not 0 < target_recall <= 1:
        raise I3Error(f"target_recall is {target_recall:g}, must be above 0 and at most 1")
    if (topics is None) == (queries is None):
        raise I3Error("expected either topics or queries")
    from i3_pyserini.search.index.tune import tune

    vectors = _vectors(Path(index), topics, None if queries is None else Path(queries))
    flat = None if against is None else Path(against)
    best, trials = tune(Path(index), vectors, target_recall, k, flat)
    return Tuned(Path(index), k, best, trials)


def _vectors(index: Path, topics: NameOrPath | None, queries: Path | None) -> "Scores":
    """The vectors of the tuning queries, checked against the encoder of the index."""
    from i3_pyserini.encode.index_encoder import refuse_other_encoder
    from i3_pyserini.formats.encoded_queries import read_encoded_queries
    from i3_pyserini.formats.topics import read_topics
    from i3_pyserini.search.searcher import Searcher

    searcher = Searcher(index)
    if topics is not None:
        return searcher.vectors_of(list(read_topics(fspath(topics)).values()), whole=True)
    assert queries is not None  # noqa: S101  (the one or the other)
    encoded = read_encoded_queries(queries)
    refuse_other_encoder(encoded.made_by, str(encoded.path), searcher.made_by, str(index))
    return searcher.vectors_of(encoded.vectors, whole=True)
