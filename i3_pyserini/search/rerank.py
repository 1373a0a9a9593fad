"""Reranks a run: scores its first hits with a cross-encoder or exactly."""

from importlib.util import find_spec
from os import fspath
from pathlib import Path
from typing import Literal

from i3_pyserini.encode.flags import EncoderOptions
from i3_pyserini.errors import I3Error, at_least_1, check_tag
from i3_pyserini.formats.corpus_options import USUAL, CorpusOptions
from i3_pyserini.formats.paths import AnyPath, NameOrPath, WrittenRun

AS_DECLARED = EncoderOptions()
MAX_LENGTH = 512  # default maximum ids of a pair
TEMPLATE, BATCH = "{title} {text}", 64


def rerank_run(
    run: AnyPath,
    topics: NameOrPath,
    corpus: AnyPath,
    *,
    model: NameOrPath,
    output: AnyPath,
    depth: int = 100,
    exact: bool = False,
    titles: bool = True,
    template: str | None = None,
    batch_size: int | None = None,
    dtype: Literal["fp32", "bf16", "fp16"] = "fp32",
    device: str | None = None,
    tag: str | None = None,
    cache: AnyPath | None = None,
    overwrite: bool = False,
    encoder: EncoderOptions = AS_DECLARED,
    corpus_options: CorpusOptions = USUAL,
) -> WrittenRun:
    """Reranks the first hits of a run with a cross-encoder.

    Hits below `depth` follow in their old order, with scores that decrease by 1. The same call
    resumes an interrupted one.

    Args:
        run: the run file.
        topics: its queries: a TSV, CSV or JSONL file, or the name of a data set.
        corpus: its passages: a file or folder.
        model: directory or hub name of a cross-encoder of sentence-transformers; with `exact`, of
            an encoder.
        output: the run file to write.
        depth: number of hits per query to score.
        exact: score with inner products of an encoder's vectors instead of a cross-encoder.
        titles: with `exact`, encode titles as well as texts.
        template: template for the passages of a cross-encoder; may contain {title}, {text} and
            {sep}. Default: "{title} {text}".
        batch_size: pairs per batch of a cross-encoder. Default: 64.
        dtype: precision of weights and computation.
        device: such as cuda:0. Default: the first GPU, or the CPU if there is none.
        tag: last column of the run. Default: the model's name.
        cache: folder for the text store. Default: the folder of the corpus.
        overwrite: replace an existing run, and an interrupted call with other settings.
        encoder: settings that override the model's own files. A cross-encoder has only
            `max_length`, the maximum ids of a pair (512).
        corpus_options: how to read the corpus, if its format is unusual.

    Returns:
        The run that was written.

    Raises:
        I3Error: sentence-transformers is not installed, an input is invalid, a query of the run is
            not in the topics or a passage not in the corpus, a score is NaN or infinite, or the
            output exists.
    """
    at_least_1(depth=depth, batch_size=batch_size)
    check_tag(tag)
    if exact and (template is not None or batch_size is not None):
        raise I3Error(
            "template and batch_size apply to cross-encoders and cannot be combined with exact"
        )
    if not exact and not titles:
        raise I3Error("titles requires exact; for a cross-encoder use template")
    other = [name for name, value in vars(encoder).items() if value is not None]
    if not exact and set(other) - {"max_length"}:
        raise I3Error(f"{' and '.join(other)}: not an option of a cross-encoder; requires exact")
    if not exact and find_spec("sentence_transformers") is None:
        raise I3Error("reranking needs sentence-transformers: pip install 'i3-pyserini[score]'")
    from i3_pyserini.formats.atomic import refuse_existing, refuse_inputs
    from i3_pyserini.formats.passages import Corpus
    from i3_pyserini.search.reranking import CrossScorer, ExactScorer, Reranking, rerank

    output, name = Path(output), fspath(model)
    refuse_existing(output, overwrite)
    refuse_inputs([output], [Path(run), Path(topics), Path(corpus)])
    task = Reranking(
        Path(run),
        fspath(topics),
        Corpus.from_options(Path(corpus), corpus_options.reading()),
        depth,
        None if cache is None else Path(cache),
    )
    if exact:
        scorer: CrossScorer | ExactScorer = ExactScorer(name, encoder, titles, dtype, device)
    else:
        length = encoder.max_length or MAX_LENGTH
        scorer = CrossScorer(name, template or TEMPLATE, length, batch_size or BATCH, dtype, device)
    return rerank(task, scorer, output, tag, overwrite)
