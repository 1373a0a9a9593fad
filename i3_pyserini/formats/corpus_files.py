"""Finds the passage files of a corpus and their formats.

A folder is read recursively, in the order of names. Files that are skipped are listed.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.compression import is_compressed, open_bytes
from i3_pyserini.formats.folder_manifest import named_collection
from i3_pyserini.formats.records import MANIFEST

Format = Literal["jsonl", "csv", "tsv", "parquet"]
FORMATS: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".json": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}
EXPECTED = "expected .jsonl, .json, .csv, .tsv or .parquet, plain or compressed by gzip or zstd"
COMPRESSED = (".gz", ".gzip", ".zst", ".zstd")
PARQUET_MAGIC = b"PAR1"
SNIFFED = 4096  # bytes of a file whose name does not say what it is
LISTED = 8  # names in a note
# Queries and judgements of a collection's folder, as BEIR, Pyserini and this package name them.
OTHERS = re.compile(r"(queries|topics|qrels)([._-].*)?")
# What this package writes beside a corpus.
OWN_STORE = re.compile(r".+\.[0-9a-f]{12}\.(store|words(-[a-z]+)?\.sqlite)(\.partial-.*)?")


@dataclass(frozen=True)
class PassageFile:
    """A file of passages.

    Attributes:
        path: the file.
        format: format of its (decompressed) content.
        compressed: whether it is compressed by gzip or zstd.
    """

    path: Path
    format: Format
    compressed: bool = False

    @property
    def seekable(self) -> bool:
        """Whether lines can be read with random access."""
        return self.format == "jsonl" and not self.compressed


def find_files(path: Path) -> tuple[PassageFile, ...]:
    """Lists the files of a corpus; a note lists skipped files of a folder.

    Args:
        path: a file, or a folder.

    Raises:
        I3Error: `path` does not exist, contains no passage files, or a file cannot be read.
    """
    if not path.is_dir():
        return (_single(path),)
    listing = _Listing(path)
    listing.walk(path)
    if not listing.files:
        found = f"; it has {_shown(listing.others)}" if listing.others else ""
        raise I3Error(f"{path}: no passage files in this folder ({EXPECTED}){found}")
    if listing.others:
        note(f"{path}: not read: {_shown(listing.others)}")
    return tuple(listing.files)


class _Listing:
    """The files of a folder, and what else is in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: list[PassageFile] = []
        self.others: list[str] = []
        self._walked: set[Path] = set()

    def walk(self, folder: Path) -> None:
        real = folder.resolve()
        if real in self._walked:  # a link that leads back
            self._leave_out(folder)
            return
        self._walked.add(real)
        entries = [path for path in _entries(folder) if not _is_own(path)]
        chosen = set(_corpus_of_collection(entries) or entries)
        for path in entries:
            name = path.name.lower()
            kind = _format_by_name(path)
            if path not in chosen or name.startswith(".") or OTHERS.fullmatch(name):
                self._leave_out(path)
            elif path.is_dir():
                self.walk(path)
            elif kind is None or name == MANIFEST or not _is_regular(path):
                self._leave_out(path)
            else:
                self.files.append(PassageFile(path, kind, is_compressed(path)))

    def _leave_out(self, path: Path) -> None:
        name = path.relative_to(self.root).as_posix()
        self.others.append(f"{name}/" if path.is_dir() else name)


def _is_own(path: Path) -> bool:
    """Whether this package wrote a file beside a corpus: a text store or a manifest."""
    if path.name == MANIFEST:
        return named_collection(path.parent) is not None
    return OWN_STORE.fullmatch(path.name) is not None


def _entries(folder: Path) -> list[Path]:
    try:
        # By name: Windows would sort paths without regard to case, and passages keep this order.
        return sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise I3Error(f"{folder}: cannot be read ({error.strerror or error})") from error


def _corpus_of_collection(entries: Iterable[Path]) -> list[Path]:
    """The corpus among the entries of a folder that has queries or judgements, too; [] if none."""
    entries = list(entries)
    corpus = [
        path
        for path in entries
        if path.name.lower() == "corpus"
        or (path.name.lower().startswith("corpus.") and _format_by_name(path))
    ]
    has_others = any(OTHERS.fullmatch(path.name.lower()) for path in entries)
    return corpus if has_others else []


def _is_regular(path: Path) -> bool:
    """Whether something with the name of a file of passages is a file; a dangling link is an error.

    Raises:
        I3Error: it cannot be looked at.
    """
    try:
        path.stat()
    except OSError as error:
        raise I3Error(f"{path}: cannot be read ({error.strerror or error})") from error
    return path.is_file()


def _single(path: Path) -> PassageFile:
    if not path.exists():
        if path.is_symlink():
            _is_regular(path)
        raise I3Error(f"{path}: no such file or folder")
    if not path.is_file():
        raise I3Error(
            f"{path}: not a regular file; passages are read more than once, so write them to a "
            "file first (gzip and zstd are read as they are)"
        )
    return PassageFile(path, _format_by_name(path) or _format_by_content(path), is_compressed(path))


def _format_by_name(path: Path) -> Format | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return FORMATS.get(suffixes[-1]) if suffixes else None


def _format_by_content(path: Path) -> Format:
    with open_bytes(path) as file:
        start = file.read(SNIFFED)
    if start.startswith(PARQUET_MAGIC):
        return "parquet"
    line = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not line or line.startswith(b"{"):
        return "jsonl"
    if path.name.lower().endswith((".txt", *(f".txt{suffix}" for suffix in COMPRESSED))):
        return "tsv"
    raise I3Error(f"{path}: not a known passage file ({EXPECTED})")


def bare_name(path: Path) -> str:
    """A file name without suffixes for format and compression."""
    name = path.name
    while Path(name).suffix.lower() in (*FORMATS, *COMPRESSED, ".txt"):
        name = Path(name).stem
    return name


def _shown(names: list[str]) -> str:
    more = f", … ({len(names):,} in all)" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def relative_names(root: Path, files: Iterable[PassageFile]) -> Iterator[str]:
    """Names of files, within their folder if `root` is one."""
    folder = root if root.is_dir() else root.parent
    return (file.path.relative_to(folder).as_posix() for file in files)
