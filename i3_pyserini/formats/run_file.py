"""Writes run files from arrays, with scores that every evaluator ranks alike."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, cast

import numpy as np
import polars as pl

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import new_bytes, new_file
from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.environment import implementation_section, now, platform_section
from i3_pyserini.formats.hits import NO_HIT, Hits, Scores
from i3_pyserini.formats.metadata_files import (
    HashedFile,
    as_yaml,
    beside,
    give_time,
    refuse_long_name,
)
from i3_pyserini.formats.run_metadata import (
    SCHEMA,
    UNKNOWN,
    CollectionRecord,
    DataRecord,
    FileRecord,
    MethodRecord,
    Origin,
    RunMetadata,
)

TIES = "none: scores descend strictly; equal ones by descending docid before"
Form = Literal["trec", "msmarco"]
Writer = Callable[[Sequence[str], Hits, Docids], None]


def write_run(  # noqa: PLR0913  (options)
    path: Path,
    qids: Sequence[str],
    hits: Hits,
    docids: Sequence[str],
    *,
    tag: str = "i3",
    form: Form = "trec",
    overwrite: bool = False,
    before: Path | None = None,
    origin: Origin = UNKNOWN,
) -> None:
    """Writes a run; see `new_run`.

    Args:
        path: the file.
        qids: Q query ids.
        hits: their hits.
        docids: the index's ids.
        tag: last column.
        form: "trec" (six columns) or "msmarco" (query id, docid and rank between tabs).
        overwrite: replace an older file.
        before: see `atomic.new_file`.
        origin: what is known of how it was made.

    Raises:
        I3Error: it exists, or cannot be written.
    """
    ids = docids if isinstance(docids, Docids) else Docids(pl.Series(list(docids), dtype=pl.String))
    with new_run(
        path, tag=tag, form=form, overwrite=overwrite, before=before, origin=origin
    ) as write:
        write(qids, hits, ids)


@contextmanager
def new_run(
    path: Path,
    *,
    tag: str,
    form: Form,
    overwrite: bool,
    before: Path | None = None,
    origin: Origin = UNKNOWN,
) -> Iterator[Writer]:
    """Writes a run in blocks of queries; the file appears when it is complete.

    Scores are written as single-precision numbers that descend strictly within a query: where two
    hits are equal, the second gets the next smaller number. So tools that break ties differently
    see none.

    The file with its metadata appears just before it, so that a run that is there has one, and one
    that is of another run is known by the hash in it.

    Raises:
        I3Error: the file exists, or cannot be written, or a query id could not be read again.
    """
    refuse_long_name(path)
    with new_bytes(path, overwrite, before) as binary, HashedFile(binary) as file:
        queries = lines = 0

        def write(qids: Sequence[str], hits: Hits, docids: Docids) -> None:
            nonlocal queries, lines
            odd = next((qid for qid in qids if qid.split() != [qid]), None)
            if odd is not None:
                raise I3Error(
                    f"query id {odd!r} is empty or contains white space, which a run cannot hold; "
                    "rename it"
                )
            frame = _frame(qids, hits, docids, tag)
            columns = ["qid", "docid", "rank"] if form == "msmarco" else frame.columns
            frame.select(columns).write_csv(
                cast("IO[bytes]", file),
                include_header=False,
                separator="\t" if form == "msmarco" else " ",
                quote_style="never",
            )
            queries += int((hits.rows != NO_HIT).any(axis=1).sum())
            lines += len(frame)

        yield write
        file.flush()
        record = FileRecord(
            file=path.name,
            sha256=file.sha256,
            bytes=file.bytes,
            queries=queries,
            hits=lines,
            date=now(),
        )
        with new_file(beside(path), overwrite=True) as text:
            text.write(as_yaml(_metadata(origin, tag, record)))
        give_time(binary, path)


def _metadata(origin: Origin, tag: str, record: FileRecord) -> RunMetadata:
    known = origin.collection != CollectionRecord()
    return RunMetadata(
        schema=SCHEMA,
        version=1.0,
        tag=tag,
        platform=platform_section(),
        implementation=implementation_section(),
        method=MethodRecord(automatic=True, ties=TIES, retrieval=origin.stages or None),
        data=DataRecord(test_collection=origin.collection) if known else None,
        run=record,
        inputs=origin.inputs or None,
    )


def strictly_descending(scores: Scores) -> Scores:
    """Scores with every one that is not below the one before it made the next smaller number.

    Args:
        scores: float32 [Q, k], descending; -inf at the end where there is no hit.
    """
    strict = scores.copy()
    for place in range(1, strict.shape[1]):
        below = np.nextafter(strict[:, place - 1], np.float32(-np.inf))
        np.minimum(strict[:, place], below, out=strict[:, place])
    return strict


def _frame(qids: Sequence[str], hits: Hits, docids: Docids, tag: str) -> pl.DataFrame:
    found = hits.rows != NO_HIT
    queries, places = np.nonzero(found)
    ranks = np.cumsum(found, axis=1)
    return pl.DataFrame(
        {
            "qid": pl.Series(list(qids), dtype=pl.String).gather(queries),
            "q0": _same("Q0", len(queries)),
            "docid": docids.take(hits.rows[queries, places]),
            "rank": ranks[queries, places],
            "score": strictly_descending(hits.scores)[queries, places],
            "tag": _same(tag, len(queries)),
        }
    )


def _same(text: str, times: int) -> pl.Series:
    return pl.Series([text]).new_from_index(0, times)
