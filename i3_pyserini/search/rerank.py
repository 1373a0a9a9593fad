"""Reranking a run: its first hits scored again by a better or an exact model."""

from importlib.util import find_spec
from os import fspath
from pathlib import Path
from typing import Literal

from i3_pyserini.encode.flags import EncoderOptions
from i3_pyserini.errors import I3Error, at_least_1, check_tag
from i3_pyserini.formats.corpus_options import USUAL, CorpusOptions
from i3_pyserini.formats.paths import AnyPath, NameOrPath, WrittenRun

AS_DECLARED = EncoderOptions()
MAX_LENGTH = 512  # ids of a pair, where nothing is said
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
    """Scores the first hits of a run again with a cross-encoder, and writes them in that order.

    Hits below `depth` keep their order below the others; their scores are numbers that descend by
    1. The same call resumes an interrupted one.

    Args:
        run: the run file.
        topics: its queries: a TSV or JSONL file, or a data set's name.
        corpus: its passages, a file or folder.
        model: a cross-encoder of sentence-transformers, its directory or hub name; with `exact`,
            an encoder.
        output: the run file to write.
        depth: how many hits of a query are scored.
        exact: score by inner products of an encoder's vectors in place of a cross-encoder.
        titles: with `exact`, encode titles too.
        template: what a cross-encoder reads of a passage, "{title} {text}" by default; may have
            {sep} besides.
        batch_size: pairs that a cross-encoder scores together; 64 by default.
        dtype: of the weights and of the computation.
        device: such as cuda:0; the first GPU or else the CPU by default.
        tag: last column of the run; the model's name by default.
        cache: folder for the text store; the one that the corpus is in by default.
        overwrite: replace an older run, and an interrupted one that had other settings.
        encoder: how the model encodes, where its own files should not decide. A cross-encoder has
            only `max_length`, most ids of a pair: 512 by default.
        corpus_options: how the corpus is read, where that is unusual.

    Returns:
        The run that was written.

    Raises:
        I3Error: sentence-transformers is not installed, an input is invalid, a query of the run is
            not in the topics or a passage not in the corpus, a score is not finite, or the output
            exists.
    """
    at_least_1(depth=depth, batch_size=batch_size)
    check_tag(tag)
    if exact and (template is not None or batch_size is not None):
        raise I3Error("template and batch_size are for a cross-encoder: leave them out with exact")
    if not exact and not titles:
        raise I3Error("titles is for exact; a cross-encoder's template says what it reads")
    other = [name for name, value in vars(encoder).items() if value is not None]
    if not exact and set(other) - {"max_length"}:
        raise I3Error(f"{' and '.join(other)}: a cross-encoder has no such option; exact has")
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
