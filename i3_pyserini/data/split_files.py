"""Writes parts of a collection's queries: topics and judgments, recorded in the manifest."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from i3_pyserini.data.sources.folders import QRELS, TOPICS, files_by_split
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import new_file, refuse_existing, refuse_inputs
from i3_pyserini.formats.folder_manifest import Manifest
from i3_pyserini.formats.made import made_among
from i3_pyserini.formats.qrels import SCHEMA, Judgements, write_qrels
from i3_pyserini.formats.topics import write_topics


def files_of(part: str) -> tuple[str, str]:
    """Names of the files of a part: topics and judgments."""
    return f"topics.{part}.tsv", f"qrels.{part}.txt"


def new_files(
    folder: Path, parts: Sequence[str], overwrite: bool, inputs: Sequence[Path] = ()
) -> list[Path]:
    """The files that parts will have.

    Args:
        folder: the folder.
        parts: names of the parts.
        overwrite: whether files of these names may exist.
        inputs: files that are read, and never replaced.

    Raises:
        I3Error: one exists or is read, or another file is of the same part.
    """
    known = [files_by_split(folder, "topics.", TOPICS), files_by_split(folder, "qrels.", QRELS)]
    files = [folder / name for part in parts for name in files_of(part)]
    refuse_inputs(files, inputs)
    for part in parts:
        for name, existing in zip(files_of(part), known, strict=True):
            path = folder / name
            refuse_existing(path, overwrite)
            if existing.get(part, path) != path:
                raise I3Error(f"{existing[part]}: is of the same split as {name}; remove it")
    return files


def write_parts(
    folder: Path,
    parts: dict[str, list[str]],
    topics: dict[str, str],
    judgements: Judgements,
    overwrite: bool,
) -> dict[str, int]:
    """Writes the files of parts, none before all are complete.

    Args:
        folder: the folder.
        parts: query ids by part.
        topics: texts by query id.
        judgements: of the queries.
        overwrite: replace existing files.

    Returns:
        Number of judgments by part.

    Raises:
        I3Error: a part has no judgments, or a file exists or cannot be written.
    """
    rows = judgements.table.select(*SCHEMA).rows()
    counts = {}
    with ExitStack() as stack:
        for part, qids in parts.items():
            queries, judged = (
                stack.enter_context(new_file(folder / name, overwrite)) for name in files_of(part)
            )
            write_topics(queries, ((qid, topics[qid]) for qid in qids))
            own = set(qids)
            kept = [row for row in rows if row[0] in own]
            if not kept:
                raise I3Error(f"{folder}: none of the {len(qids):,} queries of {part} is judged")
            write_qrels(judged, kept)
            counts[part] = len(kept)
    return counts


def record_parts(folder: Path, files: Sequence[Path], source: str, inputs: Sequence[Path]) -> None:
    """Adds the files to the folder's manifest, which is made if there is none."""
    manifest, made = Manifest.of(folder), made_among(inputs)
    for path in files:
        manifest.add(path.name, source, made=made)
    manifest.save()
