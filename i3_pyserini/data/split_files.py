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


def refuse_files(
    folder: Path, parts: Sequence[str], overwrite: bool, inputs: Sequence[Path] = ()
) -> None:
    """Checks before any work that the files of parts can be written.

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
    last = _last(folder, parts)
    refuse_inputs(files, inputs)
    for part in parts:
        for name, existing in zip(files_of(part), known, strict=True):
            path = folder / name
            refuse_existing(path, overwrite, before=last)
            if existing.get(part, path) != path:
                raise I3Error(f"{existing[part]}: is of the same split as {name}; remove it")


def write_parts(
    folder: Path,
    parts: dict[str, list[str]],
    topics: dict[str, str],
    judgements: Judgements,
    overwrite: bool,
    source: str,
    inputs: Sequence[Path],
) -> dict[str, int]:
    """Writes the files of parts and records them in the folder's manifest.

    No file appears before all are complete and recorded.

    Args:
        folder: the folder.
        parts: query ids by part.
        topics: texts by query id.
        judgements: of the queries.
        overwrite: replace existing files.
        source: what they are, for the manifest.
        inputs: topics, first, and judgments that they were made from. Their mark is kept if their
            queries were made, and so is the split's name if they are the folder's own: a part is
            no leak of the whole.

    Returns:
        Number of judgments by part.

    Raises:
        I3Error: a part has no judgments, or a file exists or cannot be written.
    """
    rows = judgements.table.select(*SCHEMA).rows()
    counts = {}
    manifest, made = Manifest.of(folder), made_among(inputs)
    whole = _split_of(inputs[0], folder)
    last = _last(folder, list(parts))
    with ExitStack() as stack:  # names are given in reverse order
        for part, qids in parts.items():
            # Topics get theirs before judgments, which are refused in a folder without them.
            files = {
                name: stack.enter_context(new_file(folder / name, overwrite, before=last))
                for name in reversed(files_of(part))
            }
            judged, queries = files.values()
            write_topics(queries, ((qid, topics[qid]) for qid in qids))
            own = set(qids)
            kept = [row for row in rows if row[0] in own]
            if not kept:
                raise I3Error(f"{folder}: none of the {len(qids):,} queries of {part} is judged")
            write_qrels(judged, kept)
            counts[part] = len(kept)
            for name, file in files.items():
                manifest.add(name, source, made=made, part_of=whole, unnamed=file)
        manifest.save()
    return counts


def _last(folder: Path, parts: Sequence[str]) -> Path:
    """The file that gets its name after all others."""
    return folder / files_of(parts[0])[1]


def _split_of(topics: Path, folder: Path) -> str | None:
    """The split of a file of topics; None if it is not the folder's own."""
    own = files_by_split(folder, "topics.", TOPICS)
    return next((name for name, path in own.items() if path.resolve() == topics.resolve()), None)
