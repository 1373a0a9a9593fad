"""Turns a run of windows into one of documents."""

from pathlib import Path

from i3_pyserini.errors import at_least_1, check_tag
from i3_pyserini.formats.paths import AnyPath, WrittenRun


def rank_documents(
    run: AnyPath,
    *,
    output: AnyPath,
    hits: int = 1000,
    tag: str = "maxp",
    overwrite: bool = False,
) -> WrittenRun:
    """Ranks the documents of a run of windows by their best windows (MaxP).

    Ids of windows are DOCUMENT#N. Only documents that the run has a window of are ranked; a search
    of a chunked corpus ranks as many documents as are asked for, and by other ways, too.

    Args:
        run: a run of windows, such as a fused or reranked one.
        output: the run file to write.
        hits: maximum documents per query.
        tag: last column of the run.
        overwrite: replace an existing run.

    Returns:
        The run that was written.

    Raises:
        I3Error: the run cannot be read, or has no ids of windows; or the output exists.
    """
    at_least_1(hits=hits)
    check_tag(tag)
    import pandas as pd

    from i3_pyserini.formats.atomic import refuse_existing, refuse_inputs
    from i3_pyserini.formats.documents import WindowDocuments, best_windows, refuse_whole
    from i3_pyserini.formats.run_file import write_run
    from i3_pyserini.formats.run_metadata import CollectionRecord
    from i3_pyserini.formats.runs import read_run
    from i3_pyserini.search.fusion import hits_of
    from i3_pyserini.search.origin import origin_of_reranking

    source, output = Path(run), Path(output)
    refuse_inputs([output], [source])
    refuse_existing(output, overwrite)
    read = read_run(source)
    columns = ("query_id", "doc_id", "score")
    ranking = pd.DataFrame({name: read.table[name].to_list() for name in columns})
    qids, found, docids = hits_of(ranking)
    windows = WindowDocuments(docids)
    refuse_whole(windows, str(source))
    best, names = windows.named(best_windows(found, windows, hits))
    searched = read.metadata.collection if read.metadata else CollectionRecord()
    how = {"name": tag, "method": "documents by their best windows", "hits": hits}
    origin = origin_of_reranking(read, how, searched)
    write_run(output, qids, best, names, tag=tag, overwrite=overwrite, origin=origin)
    count = int((best.rows >= 0).sum())
    summary = f"{len(qids):,} queries, {count:,} documents of {len(read.lines):,} windows"
    return WrittenRun(output, summary, len(qids))
