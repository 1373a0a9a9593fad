"""Keeps made queries that lead a retriever back to their passage."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from os import fspath
from pathlib import Path
from typing import Any, Literal

from i3_pyserini.errors import I3Error, at_least_1
from i3_pyserini.formats.paths import AnyPath, NameOrPath, Written

TOPICS, QRELS, GENERATED, DROPPED = (
    "topics.train.tsv",
    "qrels.train.txt",
    "generated.tsv",
    "dropped.tsv",
)
RUN = "run.round-trip.txt"
BM25 = "bm25"


def filter_queries(
    source: AnyPath,
    *,
    by: NameOrPath,
    output: AnyPath,
    corpus: AnyPath | None = None,
    keep_top: int = 3,
    engine: Literal["lucene", "sqlite"] = "lucene",
    overwrite: bool = False,
) -> Written:
    """Keeps queries whose passage a retriever finds among its first hits (round trip).

    Writes topics, qrels and generated.tsv of the kept queries, and dropped.tsv with the others.

    Args:
        source: a folder of `data queries`.
        by: "bm25", an index, or a run of these queries, such as one of `rerank`.
        output: the folder to write.
        corpus: the corpus, for bm25. Default: the one in the source.
        keep_top: a passage must be among so many first hits.
        engine: of bm25: "lucene" needs Java, "sqlite" only Python.
        overwrite: replace existing files.

    Returns:
        The folder.

    Raises:
        I3Error: a file cannot be read, the output exists, options cannot be combined, or no query
            is kept.
    """
    at_least_1(keep_top=keep_top)
    folder, target, name = Path(source), Path(output), fspath(by)
    if corpus is not None and name != BM25:
        raise I3Error("corpus requires by bm25")
    from i3_pyserini.data.queries import read_judged_queries
    from i3_pyserini.formats.atomic import locked, refuse_existing, same_place

    if same_place(folder.resolve(), target.resolve()):
        raise I3Error(f"{target}: is the source; choose another output")
    for file in (TOPICS, QRELS, GENERATED, DROPPED):
        refuse_existing(target / file, overwrite, before=target / TOPICS)
    queries, positives = read_judged_queries(folder / TOPICS, folder / QRELS)
    with locked(target):
        run = _searched(folder, target, name, corpus, keep_top, engine)
        ranks = _ranks(run, positives)
        kept = [qid for qid in queries if 0 < ranks.get(qid, 0) <= keep_top]
        if not kept:
            raise I3Error(
                f"{folder}: none of {len(queries):,} queries leads back to its passage by {name}; "
                "do run and corpus belong to them?"
            )
        words = f"{name if name == BM25 else Path(name).name}, first {keep_top}"
        _write(folder, target, queries, kept, ranks, words, overwrite)
    dropped = len(queries) - len(kept)
    return Written(target, f"{len(kept):,} queries kept, {dropped:,} dropped (round trip: {words})")


def _searched(
    folder: Path,
    target: Path,
    by: str,
    corpus: AnyPath | None,
    hits: int,
    engine: Literal["lucene", "sqlite"],
) -> Path:
    """The run of the queries."""
    run = target / RUN
    # Queries are of windows, where there are some.
    how: dict[str, Any] = {"hits": hits, "documents": "none", "overwrite": True}
    if by == BM25:
        from i3_pyserini.search.bm25 import search_bm25

        own = folder / "corpus"
        if corpus is None and not own.is_dir():
            raise I3Error("by bm25 requires corpus: the one that the queries were made for")
        passages = own if corpus is None else corpus
        search_bm25(passages, folder / TOPICS, output=run, engine=engine, **how)
        return run
    if Path(by).is_file():
        return Path(by)
    if not Path(by).is_dir():
        raise I3Error(f"by {by}: no such file or folder; expected bm25, an index or a run")
    from i3_pyserini.search.topics import search_topics

    search_topics(Path(by), folder / TOPICS, output=run, **how)
    return run


def _ranks(run: Path, positives: Mapping[str, list[str]]) -> dict[str, int]:
    """The best rank of a relevant passage by query; queries without one are absent."""
    from i3_pyserini.formats.runs import read_run

    found: dict[str, int] = {}
    last, rank = "", 0
    rows = read_run(run).frame[["query_id", "doc_id"]].itertuples(index=False)
    for qid, pid in rows:
        last, rank = qid, rank + 1 if qid == last else 1
        if pid in positives.get(qid, ()):
            found.setdefault(qid, rank)
    return found


def _write(
    folder: Path,
    target: Path,
    queries: Mapping[str, str],
    kept: list[str],
    ranks: Mapping[str, int],
    words: str,
    overwrite: bool,
) -> None:
    from contextlib import ExitStack

    from i3_pyserini.formats.atomic import new_file
    from i3_pyserini.formats.folder_manifest import Manifest
    from i3_pyserini.formats.made import Made, made_among
    from i3_pyserini.formats.qrels import SCHEMA, read_qrels, write_qrels
    from i3_pyserini.formats.topics import write_topics

    chosen, texts = {*kept}, {queries[qid].casefold() for qid in kept}
    rows = [row for row in read_qrels(folder / QRELS).select(*SCHEMA).rows() if row[0] in chosen]
    made = made_among([folder / TOPICS, folder / QRELS]) or Made(source="queries of unknown origin")
    made = replace(made, queries=len(kept), round_trip=words)
    manifest = Manifest.of(target)
    names = [TOPICS, QRELS, *([GENERATED] if (folder / GENERATED).is_file() else [])]
    with ExitStack() as stack:
        files = {  # names are given in reverse order
            name: stack.enter_context(new_file(target / name, overwrite, target / TOPICS))
            for name in names
        }
        dropped = stack.enter_context(new_file(target / DROPPED, overwrite, target / TOPICS))
        write_topics(files[TOPICS], ((qid, queries[qid]) for qid in kept))
        write_qrels(files[QRELS], rows)
        lost = (qid for qid in queries if qid not in chosen)
        dropped.writelines(f"{qid}\t{queries[qid]}\t{ranks.get(qid, '')}\n" for qid in lost)
        if GENERATED in files:
            own: dict[str, str] = {}
            for qid, pid, level in rows:
                if level > 0:
                    own.setdefault(pid, queries[qid])
            files[GENERATED].writelines(_first_kept(folder / GENERATED, own, texts))
        for name, file in files.items():
            manifest.add(name, f"round trip of {folder}", made=made, unnamed=file)
        manifest.save()


def _first_kept(generated: Path, kept: Mapping[str, str], texts: Container[str]) -> Iterator[str]:
    """The lines of the passages of kept queries: their own first query, or the first one kept."""
    from i3_pyserini.formats.lines import read_tsv

    for _, _, (pid, *query) in read_tsv(generated):
        text = "\t".join(query)
        if pid in kept:
            yield f"{pid}\t{text if text.casefold() in texts else kept[pid]}\n"
