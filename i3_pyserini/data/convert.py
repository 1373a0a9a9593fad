"""Converts published files: corpora to JSONL; topics and qrels stay unchanged."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from i3_pyserini.data.archive import extract_members
from i3_pyserini.data.catalog import CatalogFile
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import new_file
from i3_pyserini.formats.lines import read_tsv
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.topics import topics_of_file

UNPACKED = ".unpacked-"
PAIR = 2  # columns: an id and a text


@dataclass(frozen=True)
class Sources:
    """The sources of a file.

    Attributes:
        files: the archive's members, unpacked; or the downloaded file itself.
        also: the other file that is needed.
        name: name of the download, for messages.
    """

    files: list[Path]
    also: Path | None
    name: str


def make(file: CatalogFile, folder: Path) -> None:
    """Creates a file of a data set from downloaded files.

    Args:
        file: a file with `made`.
        folder: the data set's folder.

    Raises:
        I3Error: a source is damaged, a line is invalid, or lines are missing.
    """
    made = file.made
    if made is None:
        raise ValueError(f"{file.path} is not created from others")
    source, target = folder / made.source, folder / file.path
    also = folder / made.also if made.also else None
    with TemporaryDirectory(dir=folder, prefix=UNPACKED, ignore_cleanup_errors=True) as unpacked:
        files = extract_members(source, made.members, Path(unpacked)) if made.members else [source]
        with new_file(target, overwrite=True) as output:
            count = 0
            lines = MAKERS[made.by](Sources(files, also, made.source))
            for line in tqdm(
                lines, desc=f"make {file.path}", unit=" lines", unit_scale=True, delay=2
            ):
                output.write(line + "\n")
                count += 1
            if file.lines is not None and count != file.lines:
                raise I3Error(
                    f"{source}: makes {count:,} lines of {file.path}, expected {file.lines:,}; "
                    "incomplete download? Remove it and download it again"
                )


def _corpus(sources: Sources) -> Iterator[str]:
    for pid, text in _pairs(sources.files[0], sources.name):
        yield json.dumps({"id": pid, "contents": text}, ensure_ascii=False)


def _titled_corpus(sources: Sources) -> Iterator[str]:
    """Joins texts and titles, which are in the same order; not every passage has a title."""
    texts, titles = (_pairs(path, sources.name) for path in sources.files)
    titled, title = next(titles, (None, ""))
    for pid, text in texts:
        own = ""
        if pid == titled:
            own = title
            titled, title = next(titles, (None, ""))
        yield json.dumps({"id": pid, "title": own, "text": text}, ensure_ascii=False)
    if titled is not None:
        raise I3Error(
            f"{sources.name}: the title of passage {titled} is not in the order of the passages; "
            "unexpected archive"
        )


def _judged_topics(sources: Sources) -> Iterator[str]:
    """The queries that have a judgement, in the order of the file."""
    if sources.also is None:
        raise ValueError("judged topics need qrels")
    judged = set(read_qrels(sources.also)["query_id"])
    try:
        topics = list(topics_of_file(sources.files[0]))
    except I3Error as error:
        raise I3Error(f"{error}; incomplete download? Remove it and download it again") from error
    for topic in topics:
        if topic.qid in judged:
            yield f"{topic.qid}\t{topic.query}"


def _copy(sources: Sources) -> Iterator[str]:
    for _, _, fields in read_tsv(sources.files[0]):
        yield "\t".join(fields)


def _pairs(path: Path, source: str) -> Iterator[tuple[str, str]]:
    """Ids and texts of a file with exactly one tab per line."""
    for number, _, fields in read_tsv(path):
        if len(fields) != PAIR or not fields[0].strip():
            raise I3Error(
                f"{source}, {path.name}, line {number}: {len(fields)} tab-separated fields; "
                "expected an id and a text"
            )
        yield fields[0].strip(), fields[1].strip()


MAKERS: dict[str, Callable[[Sources], Iterator[str]]] = {
    "corpus": _corpus,
    "titled_corpus": _titled_corpus,
    "judged_topics": _judged_topics,
    "copy": _copy,
}
