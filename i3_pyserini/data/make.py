"""Makes training queries for a corpus."""

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
    """Makes training queries from passages: topics, qrels and generated.tsv.

    Titles and first sentences are removed from their passages, and the resulting corpus is written
    too. With a model, the same call resumes an interrupted one.

    Args:
        corpus: the corpus, a file or folder.
        source: source of queries: titles, first sentences, or a model.
        output: the folder to write.
        model: directory or hub name of a sequence-to-sequence model such as T5.
        per_passage: queries per passage, with a model.
        limit: number of passages to use, chosen at random. Default: all.
        seed: random seed.
        min_words: minimum number of words; shorter queries are dropped.
        batch_size: passages per batch of the model, at most 256.
        max_length: maximum tokens of a passage for the model.
        device: such as cuda:0. Default: the first GPU, or the CPU if there is none.
        dtype: precision of weights and computation.
        cache: folder for the text store. Default: the folder of the corpus.
        overwrite: replace existing files.
        corpus_options: how to read the corpus, if its format is unusual.

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
        raise I3Error("source model requires model, a directory or hub name")
    if source != MODEL and model is not None:
        raise I3Error(f"model requires source model, not {source}")
    if source != MODEL and per_passage > 1:
        raise I3Error(
            f"per_passage requires source model; source {source} makes one query per passage"
        )


def _check_range(name: str, value: int | None, least: int, most: int | None) -> None:
    if value is not None and value < least:
        raise I3Error(f"{name} is {value}, must be at least {least}")
    if value is not None and most is not None and value > most:
        raise I3Error(f"{name} is {value}, must be at most {most}")


def _written(job: "Job", made: "Summary") -> Written:
    left_out = f"; left out: {made.left_out}" if made.left_out else ""
    what = f"{made.queries:,} queries with {made.positives:,} positives{left_out}"
    return Written(job.output, what)
