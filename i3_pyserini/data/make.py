"""Making training queries for a corpus that has none."""

from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.corpus_options import USUAL, CorpusOptions
from i3_pyserini.formats.paths import AnyPath, NameOrPath, Written

if TYPE_CHECKING:
    from i3_pyserini.data.query_files import Job, Summary

MODEL = "model"
LARGEST_SEED = 2**32 - 1


def make_queries(
    corpus: AnyPath,
    *,
    source: Literal["titles", "first-sentences", "model"],
    output: AnyPath,
    model: NameOrPath | None = None,
    per_passage: int = 1,
    limit: int | None = None,
    seed: int = 42,
    min_words: int = 3,
    batch_size: int = 32,
    max_length: int = 384,
    device: str | None = None,
    dtype: Literal["fp32", "bf16", "fp16"] = "fp32",
    cache: AnyPath | None = None,
    overwrite: bool = False,
    corpus_options: CorpusOptions = USUAL,
) -> Written:
    """Makes training queries out of passages: topics, judgements and generated.tsv.

    Titles and first sentences are taken out of the passages that they were found in; the corpus
    without them is written too. Writing with a model is resumed by the same call.

    Args:
        corpus: the passages, a file or folder.
        source: what becomes a query: titles, first sentences, or what a model writes.
        output: folder for the files.
        model: a sequence-to-sequence model such as T5, a directory or hub name.
        per_passage: queries of a passage, with a model.
        limit: passages to make queries of, chosen at random; all by default.
        seed: where chance comes from.
        min_words: shorter queries are left out.
        batch_size: passages that the model reads together, at most 256.
        max_length: tokens of a passage that the model reads.
        device: such as cuda:0; the first GPU or else the CPU by default.
        dtype: of the model's weights and of the computation.
        cache: folder for the text store; the corpus's own by default.
        overwrite: replace older files.
        corpus_options: how the corpus is read.

    Returns:
        The folder.

    Raises:
        I3Error: an argument is out of range, the corpus or the model cannot be read, a file
            exists, or no query could be made.
    """
    name = None if model is None else fspath(model)
    _check_source(source, name, per_passage)
    ranges = {
        "per_passage": (per_passage, 1, None),
        "limit": (limit, 1, None),
        "seed": (seed, 0, LARGEST_SEED),
        "min_words": (min_words, 1, None),
        "batch_size": (batch_size, 1, 256),
        "max_length": (max_length, 1, None),
    }
    for number, limits in ranges.items():
        _check_range(number, *limits)
    from i3_pyserini.data.query_files import Job

    where = None if cache is None else Path(cache)
    reading = corpus_options.reading()
    job = Job(Path(corpus), Path(output), limit, seed, min_words, where, overwrite, reading)
    if name is not None:
        from i3_pyserini.data.doc2query import Generation, generate_queries

        how = Generation(name, per_passage, batch_size, max_length, device, dtype)
        return _written(job, generate_queries(job, how))
    from i3_pyserini.data.own_words import extract_queries

    return _written(job, extract_queries(job, source))


def _check_source(source: str, model: str | None, per_passage: int) -> None:
    if source == MODEL and not model:
        raise I3Error("source model needs model, a directory or hub name")
    if source != MODEL and model is not None:
        raise I3Error(f"model is for source model, not for source {source}")
    if source != MODEL and per_passage > 1:
        raise I3Error(f"per_passage is for source model; source {source} gives one query")


def _check_range(name: str, value: int | None, least: int, most: int | None) -> None:
    if value is not None and value < least:
        raise I3Error(f"{name} is {value}, must be at least {least}")
    if value is not None and most is not None and value > most:
        raise I3Error(f"{name} is {value}, must be at most {most}")


def _written(job: "Job", made: "Summary") -> Written:
    left_out = f"; left out: {made.left_out}" if made.left_out else ""
    what = f"{made.queries:,} queries with {made.positives:,} positives{left_out}"
    return Written(job.output, what)
