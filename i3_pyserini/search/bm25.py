"""BM25 runs, with the Lucene of Pyserini or without Java."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from math import inf
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from i3_pyserini.errors import I3Error, at_least_1, check_tag, note
from i3_pyserini.formats.corpus_options import USUAL, CorpusOptions
from i3_pyserini.formats.languages import ENGLISH, analysis_of
from i3_pyserini.formats.paths import AnyPath, NameOrPath, WrittenRun
from i3_pyserini.search.languages import Engine, choose_language, note_script
from i3_pyserini.threads import thread_count

if TYPE_CHECKING:
    import pandas as pd

    from i3_pyserini.formats.languages import Declared
    from i3_pyserini.formats.passages import Corpus
    from i3_pyserini.formats.run_metadata import Origin
    from i3_pyserini.search.bm25_documents import DocumentBm25
    from i3_pyserini.search.bm25_index import Bm25
    from i3_pyserini.search.bm25_tuning import TunedBm25
    from i3_pyserini.search.dev_measure import DevMeasure

TUNED = ".bm25.json"  # suffix after the run's name
NAMES = {"lucene": "BM25", "sqlite": "SQLite BM25"}


def search_bm25(
    corpus: AnyPath,
    topics: NameOrPath,
    *,
    output: AnyPath,
    index: AnyPath | None = None,
    engine: Engine = "lucene",
    language: str | None = None,
    hits: int = 1000,
    documents: Literal["max", "none"] | None = None,
    k1: float = 0.9,
    b: float = 0.4,
    tune: NameOrPath | None = None,
    tune_topics: NameOrPath | None = None,
    tune_output: AnyPath | None = None,
    measure: str = "nDCG@10",
    threads: int | None = None,
    speed: AnyPath | None = None,
    tag: str | None = None,
    overwrite: bool = False,
    corpus_options: CorpusOptions = USUAL,
) -> WrittenRun:
    """Indexes titles and texts of a corpus once, and searches with BM25.

    With `tune`, k1 and b are chosen on dev queries: k1 of 0.5, 0.7, 0.9, 1.2, 1.6 and 2.2, b of
    0.2, 0.3, 0.4, 0.6, 0.75 and 0.9. OUTPUT.bm25.json records the measure for every pair.

    Args:
        corpus: a file in JSONL, CSV, TSV or Parquet, plain, gzip or zstd, or a folder of such
            files.
        topics: a TSV, CSV or JSONL file, or the name of a data set.
        output: the run file to write.
        index: index directory, created if it does not exist. Default: ENGINE-CORPUS-HASH beside the
            run.
        engine: "lucene" is Pyserini's and needs Java; "sqlite" needs only Python.
        language: language of the corpus, such as de, ja or zh; "none" for words as they are,
            "pretokenized" for texts that are split at white space only. Default: the one that the
            collection declares, or English.
        hits: maximum hits per query.
        documents: rank documents by their best windows ("max", MaxP), or windows ("none").
            Default: "max" for a corpus of `data chunk`.
        k1: BM25's k1, the weight of repeated words.
        b: BM25's b, the strength of length normalization, from 0 to 1.
        tune: relevance judgments of dev queries, to choose k1 and b.
        tune_topics: the dev queries.
        tune_output: run file to write for the dev queries, with the chosen k1 and b.
        measure: the ir-measures name of the measure that `tune` maximizes.
        threads: threads of Lucene. Default: one for each usable CPU.
        speed: JSON file to write with queries per second, without start-up.
        tag: last column of the run. Default: bm25, or bm25-de for German.
        overwrite: replace an existing run.
        corpus_options: how to read the corpus, if its format is unusual.

    Returns:
        The run that was written.

    Raises:
        I3Error: an input cannot be read, the index belongs to another corpus or language, Java or
            an analyzer for the language is missing, Pyserini failed, dev queries are among the
            topics, or options cannot be combined.
    """
    at_least_1(hits=hits, threads=threads)
    if not 0 <= k1 < inf or not 0 <= b <= 1:
        raise I3Error(f"k1 is {k1:g} and b {b:g}; k1 must be at least 0, b from 0 to 1")
    if engine not in get_args(Engine):
        raise I3Error(f"engine {engine!r}: expected {' or '.join(get_args(Engine))}")
    check_tag(tag)
    if tune is None and (tune_topics, tune_output, measure) != (None, None, "nDCG@10"):
        raise I3Error("tune_topics, tune_output and measure require tune")
    if tune is not None and (tune_topics is None or (k1, b) != (0.9, 0.4)):
        raise I3Error("tune requires tune_topics, and cannot be combined with k1 and b")
    from i3_pyserini.formats.atomic import refuse_inputs
    from i3_pyserini.formats.topics import read_topics
    from i3_pyserini.search.speed import Speed

    output = Path(output)
    dev_output = None if tune_output is None else Path(tune_output)
    tuned_in = None if tune is None else output.with_name(output.name + TUNED)
    speed_in = None if speed is None else Path(speed)
    written = [path for path in (output, dev_output, tuned_in, speed_in) if path]
    inputs = [Path(fspath(one)) for one in (corpus, topics, tune, tune_topics) if one]
    refuse_inputs(written, inputs)
    _refuse(written, overwrite)
    queries = read_topics(fspath(topics))
    dev = _dev(fspath(tune), fspath(tune_topics or ""), measure, queries) if tune else None
    spoken = choose_language(Path(corpus), language, engine)
    tag = tag or ("bm25" if spoken.code == ENGLISH else f"bm25-{spoken.code}")
    passages = _read(Path(corpus), corpus_options, spoken)
    tuned = None
    threads = thread_count(threads)
    with _opened(
        passages, None if index is None else Path(index), output, (engine, spoken.code), threads
    ) as (
        searcher,
        opened,
    ):
        ranker = _ranker(searcher, documents, passages)
        if dev:
            tuned = _tuned(ranker, dev, hits)
            k1, b = tuned.best.k1, tuned.best.b
        dev_found = (
            _ranked(ranker, spoken.code, dev[0], hits, k1, b) if dev and dev_output else None
        )
        before = searcher.seconds
        found = _ranked(ranker, spoken.code, queries, hits, k1, b)
        seconds = searcher.seconds - before
    options = {"k1": k1, "b": b, "tuned": str(tuned or ""), "analysis": analysis_of(spoken.code)}
    recorded = partial(_origin, tag, opened, options | {"hits": hits})
    write = partial(_write, tag=tag, overwrite=overwrite, before=output)
    if dev and dev_output and dev_found is not None:
        write(dev_output, dev[0], dev_found, origin=recorded(fspath(tune_topics or ""), dev[0]))
    if tuned and tuned_in:
        known = {"engine": engine, "language": spoken.code, **tuned.to_json()}
        _write_tuned(tuned_in, known, overwrite, output)
    if speed_in:
        Speed(len(queries), searcher.threads, searcher.batch, seconds).write(
            speed_in, overwrite, output
        )
    count = write(output, queries, found, origin=recorded(fspath(topics), queries))
    how = f"with k1 {k1:g} and b {b:g}{f', {tuned}' if tuned else ''}{_spoken(spoken)}"
    return WrittenRun(output, f"{count:,} queries, {NAMES[engine]} {how}", count)


def _refuse(written: "list[Path]", overwrite: bool) -> None:
    """Refuses existing files, besides those of a call that was interrupted before the first."""
    from i3_pyserini.formats.atomic import refuse_existing

    for path in written:
        refuse_existing(path, overwrite, before=written[0])


def _read(corpus: Path, options: CorpusOptions, spoken: "Declared") -> "Corpus":
    from i3_pyserini.formats.passages import Corpus

    passages = Corpus.from_options(corpus, options.reading())
    note_script(spoken, (one.text for one in passages))
    return passages


def _write_tuned(path: Path, known: Mapping[str, Any], overwrite: bool, run: Path) -> None:
    from i3_pyserini.formats.atomic import new_file

    with new_file(path, overwrite, before=run) as file:
        file.write(json.dumps(known, indent=2) + "\n")


def _spoken(language: "Declared") -> str:
    """The language for the summary, and where it comes from."""
    where = {"default": "by default", "language": ""}.get(
        language.source, f"declared by {language.source}"
    )
    return f"; {analysis_of(language.code)}{f', {where}' if where else ''}"


def _dev(
    qrels: str, topics: str, measure: str, queries: dict[str, str]
) -> "tuple[dict[str, str], DevMeasure]":
    """The dev queries and their measure. Checks that none is among the queries to report."""
    from i3_pyserini.formats.made import made_note
    from i3_pyserini.formats.qrels import read_qrels
    from i3_pyserini.formats.topics import read_topics
    from i3_pyserini.search.dev_measure import DevMeasure

    for one in made_note(qrels):
        note(one)
    dev = read_topics(topics)
    if both := dev.keys() & queries.keys():
        raise I3Error(
            f"{topics}: also has {len(both):,} of the queries to search, such as {min(both)!r}; "
            "choose k1 and b on other queries than those you report"
        )
    return dev, DevMeasure(measure, read_qrels(qrels), list(dev), topics)


def _ranker(
    searcher: "Bm25", documents: Literal["max", "none"] | None, passages: "Corpus"
) -> "Bm25 | DocumentBm25":
    from i3_pyserini.formats.chunks import DELIMITER
    from i3_pyserini.formats.documents import no_windows
    from i3_pyserini.formats.folder_manifest import chunks_of
    from i3_pyserini.search.bm25_documents import DocumentBm25
    from i3_pyserini.search.documents import chosen

    place, chunks = str(passages.path), chunks_of(passages.path)
    by = chosen(documents, chunks, place)
    if by == "mean3":
        raise I3Error("documents mean3 needs vectors of windows; BM25 has max and none")
    if by and chunks is None and not any(DELIMITER in one.docid[1:] for one in passages):
        raise no_windows(place, next(iter(passages)).docid)
    return DocumentBm25(searcher, chunks.delimiter if chunks else DELIMITER) if by else searcher


def _ranked(
    searcher: "Bm25 | DocumentBm25",
    language: str,
    queries: dict[str, str],
    hits: int,
    k1: float,
    b: float,
) -> "pd.DataFrame":
    """The hits of queries, of which at least one has any; nothing is written otherwise."""
    found = searcher.rank(queries, hits, k1, b)
    if found.empty:
        raise I3Error(
            "BM25 finds nothing for any query; are topics and corpus of one language? "
            f"(analyzed as: {analysis_of(language)})"
        )
    return found


def _tuned(
    searcher: "Bm25 | DocumentBm25", dev: "tuple[dict[str, str], DevMeasure]", hits: int
) -> "TunedBm25":
    from i3_pyserini.search.bm25_tuning import tune_bm25

    return tune_bm25(searcher, *dev, hits)


@contextmanager
def _opened(
    corpus: "Corpus", index: Path | None, run: Path, how: tuple[Engine, str], threads: int
) -> "Iterator[tuple[Bm25, Path]]":
    """Opens the index of a corpus by engine and language, and creates it if necessary.

    Yields:
        What searches it, and its directory.
    """
    from i3_pyserini.search.bm25_index import corpus_hash, index_beside, refuse_other_index
    from i3_pyserini.search.bm25_lucene import LuceneBm25
    from i3_pyserini.search.bm25_sqlite import SqliteBm25

    kinds: dict[Engine, type[Bm25]] = {"lucene": LuceneBm25, "sqlite": SqliteBm25}
    engine, language = how
    kind = kinds[engine]
    kind.check()
    sha256 = None
    if index is None:
        sha256 = corpus_hash(corpus)
        index = index_beside(run, corpus.path, sha256, engine, language)
    there = index.exists()
    if there:
        refuse_other_index(index, kind.type, sha256 or corpus_hash(corpus), language)
    else:
        kind.make(corpus, index, threads, language)
    print(f"{'found' if there else 'wrote'} {index}", file=sys.stderr)
    with closing(kind(index, threads)) as searcher:
        yield searcher, index


def _origin(
    tag: str, index: Path, how: Mapping[str, Any], topics: str, queries: Mapping[str, str]
) -> "Origin":
    """What is recorded of a run."""
    from i3_pyserini.formats.index import read_manifest
    from i3_pyserini.formats.run_facts import index_collection
    from i3_pyserini.formats.run_metadata import Origin
    from i3_pyserini.search.origin import bm25_stage, queries_of

    manifest = read_manifest(index)
    searched = queries_of(queries, topics, index_collection(manifest, manifest.passages))
    return Origin((bm25_stage(tag, index, how),), searched)


def _write(
    path: Path,
    topics: Mapping[str, str],
    ranking: "pd.DataFrame",
    *,
    tag: str,
    overwrite: bool,
    before: Path,
    origin: "Origin",
) -> int:
    """Writes a run and returns its number of queries."""
    from i3_pyserini.formats.qrels import examples
    from i3_pyserini.formats.run_file import write_run
    from i3_pyserini.search.fusion import hits_of

    qids, found, docids = hits_of(ranking)
    known = set(qids)
    if lacking := [qid for qid in topics if qid not in known]:
        note(
            f"{path}: queries without a hit, since no passage has a word of theirs: "
            f"{len(lacking):,} of {len(topics):,} ({examples(lacking)})"
        )
    write_run(path, qids, found, docids, tag=tag, overwrite=overwrite, before=before, origin=origin)
    return len(qids)
