"""Makes training queries for a corpus."""

from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from i3_pyserini.data.language_model import NOT_ASKED, LanguageModel
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.corpus_options import USUAL, CorpusOptions
from i3_pyserini.formats.paths import AnyPath, NameOrPath, Written

if TYPE_CHECKING:
    from i3_pyserini.data.query_cost import QueryEstimate
    from i3_pyserini.data.query_files import Job, Summary

MODEL, LLM = "model", "llm"
LARGEST_SEED = 2**32 - 1
OF_MODEL = (32, 384, None, "fp32")  # defaults of options that belong to source model


def make_queries(
    corpus: AnyPath,
    *,
    source: Literal["titles", "first-sentences", "model", "llm"],
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
    language_model: LanguageModel = NOT_ASKED,
) -> "Written | QueryEstimate":
    """Makes training queries from passages: topics, qrels and generated.tsv.

    Titles and first sentences are removed from their passages, and the resulting corpus is written
    too. With a model, the same call resumes an interrupted one. All files are marked as made.

    Args:
        corpus: the corpus, a file or folder.
        source: source of queries: titles, first sentences, a sequence-to-sequence model (model),
            or a language model on an OpenAI-compatible server (llm).
        output: the folder to write.
        model: directory or hub name of a sequence-to-sequence model such as T5; of a language
            model, its name on the server.
        per_passage: queries per passage, with source model or llm.
        limit: number of passages to use, chosen at random. Default: all.
        seed: random seed.
        min_words: minimum number of words; shorter queries are dropped.
        batch_size: passages per batch, with source model, at most 256.
        max_length: maximum tokens of a passage, with source model.
        device: such as cuda:0, with source model. Default: the first GPU, or the CPU if there is
            none.
        dtype: precision of weights and computation, with source model.
        cache: folder for the text store. Default: the folder of the corpus.
        overwrite: replace existing files; answers of a language model are kept.
        corpus_options: how to read the corpus, if its format is unusual.
        language_model: how to ask a language model.

    Returns:
        The folder; with `estimate` what asking the language model would cost.

    Raises:
        I3Error: an argument is out of range, the corpus or the model cannot be read, a file
            exists, the server refuses, or no query could be made.
    """
    name = None if model is None else fspath(model)
    _check_source(source, name, per_passage)
    _check_options(source, language_model, (batch_size, max_length, device, dtype))
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
    if source == LLM and name is not None:
        from i3_pyserini.data.asking import ask_queries, estimate_asking

        if language_model.estimate:
            return estimate_asking(job, language_model, name, per_passage)
        return _written(job, ask_queries(job, language_model, name, per_passage))
    if name is not None:
        from i3_pyserini.data.doc2query import Generation, generate_queries

        how = Generation(name, per_passage, batch_size, max_length, device, dtype)
        return _written(job, generate_queries(job, how))
    from i3_pyserini.data.own_words import extract_queries

    return _written(job, extract_queries(job, source))


def _check_source(source: str, model: str | None, per_passage: int) -> None:
    if source == MODEL and not model:
        raise I3Error("source model requires model, a directory or hub name")
    if source == LLM and not model:
        raise I3Error("source llm requires url and model, the model's name on the server")
    if source not in (MODEL, LLM) and model is not None:
        raise I3Error(f"model requires source model or llm, not {source}")
    if source not in (MODEL, LLM) and per_passage > 1:
        raise I3Error(
            f"per_passage requires source model or llm; source {source} makes one query per passage"
        )


def _check_options(
    source: str, asked: LanguageModel, of_model: tuple[int, int, str | None, str]
) -> None:
    """Checks that options of one source are not given with another."""
    if source == LLM:
        asked.check()
        if of_model != OF_MODEL:
            raise I3Error("batch_size, max_length, device and dtype require source model, not llm")
    elif given := asked.given():
        raise I3Error(f"{given[0]} requires source llm, not {source}")


def _check_range(name: str, value: int | None, least: int, most: int | None) -> None:
    if value is not None and value < least:
        raise I3Error(f"{name} is {value}, must be at least {least}")
    if value is not None and most is not None and value > most:
        raise I3Error(f"{name} is {value}, must be at most {most}")


def _written(job: "Job", made: "Summary") -> Written:
    left_out = f"; left out: {made.left_out}" if made.left_out else ""
    what = f"{made.queries:,} queries with {made.positives:,} positives{left_out}"
    return Written(job.output, what)
