"""Reads and writes the metadata of a run: in a file beside it, or at its head.

trec_eval and MS MARCO's script refuse comment lines in a run. So `RUN.ir_metadata.yaml` holds the
metadata, with the SHA-256 of the run's bytes: what was written for another file is noticed. Both
have one time, so that bytes are hashed again only where size and time do not tell. Runs of others
may have it in comment lines at their head; these are read, too.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Self

from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.atomic import BLOCK, file_hash
from i3_pyserini.formats.compression import open_bytes
from i3_pyserini.formats.records import read_record
from i3_pyserini.formats.run_metadata import FileRecord, RunMetadata
from i3_pyserini.formats.yaml_files import parse_yaml

SUFFIX = ".ir_metadata.yaml"  # after the run's whole name
LARGEST = 16 << 20  # bytes: a fused run has the metadata of its inputs, too
COMPRESSED = (".gz", ".zst")
LONGEST_NAME = 255  # bytes that file systems take
# The first and the last line of the metadata at the head of a run; the second form is the older.
START = re.compile(rb"#?\s*(ir_metadata\.start|METADATA - START)\s*")
END = re.compile(rb"#?\s*(ir_metadata\.end|METADATA - END)\s*")


def beside(run: Path) -> Path:
    """The file with the metadata of a run."""
    return run.with_name(run.name + SUFFIX)


def give_time(run: BinaryIO, path: Path) -> None:
    """Gives the file beside a run the time of the run, which both have until one is changed.

    Args:
        run: the run, open and written.
        path: its name.
    """
    with suppress(OSError):  # a disk without times: readers compare hashes
        time = os.fstat(run.fileno()).st_mtime_ns
        os.utime(beside(path), ns=(time, time))


def refuse_long_name(run: Path) -> None:
    """Raises if the file beside a run would have a name that file systems do not take.

    Raises:
        I3Error: see above.
    """
    if len(beside(run).name.encode("utf-8", "surrogateescape")) > LONGEST_NAME:
        raise I3Error(f"{run}: too long a name: RUN{SUFFIX} is written beside it; shorten it")


class HashedFile:
    """A binary file whose bytes are counted, and hashed in a thread, as they are written.

    A context manager, which ends the thread.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._digest, self.bytes = file, hashlib.sha256(), 0
        self._pool = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def write(self, data: bytes) -> int:
        """Writes bytes."""
        self._last = self._pool.submit(self._digest.update, data)
        self.bytes += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        """Passes everything on to the system."""
        self._file.flush()

    @property
    def sha256(self) -> str:
        """Of all bytes so far."""
        if self._last is not None:
            self._last.result()  # the only thread takes one after the other
        return self._digest.hexdigest()


def as_yaml(metadata: RunMetadata) -> str:
    """The text of the file beside a run."""
    import yaml  # noqa: PLC0415  (slow, and most commands need none)

    return yaml.safe_dump(metadata.to_json(), sort_keys=False, allow_unicode=True, width=100)


def read_beside(run: Path) -> RunMetadata | None:
    """The metadata in the file beside a run; a note names one that cannot be used.

    Args:
        run: the run file. That of `RUN.gz` or `RUN.zst` may also be the one of `RUN`.

    Returns:
        None if there is no such file, if it cannot be read, or if it is of other bytes than the
        run has, which was changed or replaced.
    """
    path, whole = beside(run), True
    if not path.is_file() and run.suffix in COMPRESSED:
        path, whole = beside(run.with_suffix("")), False
    if not path.is_file() or not run.is_file():
        return None
    try:
        metadata = metadata_of(_read(path), str(path))
        known = metadata.run or FileRecord()
        if known.sha256 is None:
            raise I3Error(f"{path}: does not say of which bytes it is (run, sha256)")
        own = run.stat()
        if whole and known.bytes not in (None, own.st_size):
            raise _other(path, run)
        same_time = own.st_mtime_ns == path.stat().st_mtime_ns
        if whole and known.bytes is not None and same_time:
            return metadata
        if known.sha256 != (file_hash(run) if whole else _hash_inside(run)):
            raise _other(path, run)
    except I3Error as error:
        note(f"{error}; ignored")
        return None
    return metadata


def _other(path: Path, run: Path) -> I3Error:
    return I3Error(
        f"{path}: is of other bytes than {run.name} (sha256), which was changed or replaced"
    )


def _hash_inside(run: Path) -> str:
    """SHA-256 of the decompressed content."""
    digest = hashlib.sha256()
    with open_bytes(run) as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def cut_head(path: Path, source: Path | bytes) -> tuple[Path | bytes, RunMetadata | None]:
    """Reads metadata at the head of a run.

    Args:
        path: of the run, for messages.
        source: the run: its file, or its bytes.

    Returns:
        The source, with empty lines in place of the metadata's, and the metadata; the source
        itself and None if there is no metadata at its head.

    Raises:
        I3Error: the last line of the metadata is missing, or it is no YAML.
    """
    with open_bytes(path, source if isinstance(source, bytes) else None) as file:
        if not START.fullmatch(file.readline(BLOCK)):
            return source, None
        lines = _head(path, file)
        hits = file.read()
    place = f"{path}, lines 1 to {len(lines) + 2}"
    note(f"{place}: ir_metadata, not hits")
    metadata = metadata_of(_plain(lines, place), place)
    if metadata.run is not None:  # a hash that it has is not of this file
        metadata = replace(metadata, run=replace(metadata.run, sha256=None, bytes=None))
    return b"\n" * (len(lines) + 2) + hits, metadata


def _head(path: Path, file: BinaryIO) -> list[bytes]:
    """The lines up to the end of the metadata."""
    lines: list[bytes] = []
    size = 0
    while True:
        line = file.readline(BLOCK)
        size += len(line)
        if END.fullmatch(line):
            return lines
        if not line or size > LARGEST:
            raise I3Error(f"{path}, line 1: begins ir_metadata that does not end (ir_metadata.end)")
        lines.append(line)


def _plain(lines: Sequence[bytes], place: str) -> str:
    """The text of comment lines: without `#` and, if all others have one, the blank behind it."""
    try:
        texts = [line.decode("utf-8").rstrip() for line in lines]
    except UnicodeDecodeError as error:
        raise I3Error(f"{place}: is not UTF-8 text") from error
    texts = [text.removeprefix("#") for text in texts]
    indented = all(text.startswith(" ") for text in texts if text)
    return "\n".join(text.removeprefix(" ") if indented else text for text in texts)


def metadata_of(text: str, place: str) -> RunMetadata:
    """Reads metadata.

    Args:
        text: YAML.
        place: what it is, for messages.

    Returns:
        The metadata; sections that do not have the form of `RunMetadata` are in its `extra`.

    Raises:
        I3Error: it is no YAML, or not an object.
    """
    found = parse_yaml(text, place, as_json=True)
    if not isinstance(found, dict):
        raise I3Error(f"{place}: expected ir_metadata, got {type(found).__name__}")
    known = {key: value for key, value in found.items() if _has_form(key, value)}
    others = {key: value for key, value in found.items() if key not in known}
    read = read_record(RunMetadata, known, place)
    return replace(read, extra={**read.extra, **others})


def _has_form(key: Any, value: Any) -> bool:
    """Whether a section has the form of ours; not if it is of another version, or by hand."""
    try:
        read_record(RunMetadata, {key: value}, "")
    except I3Error:
        return False
    return True


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise I3Error(f"{path}: too large for ir_metadata")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise I3Error(f"{path}: cannot be read ({error})") from error
    return re.sub(r"\A\s*ir_metadata\.start\s*$|^ir_metadata\.end\s*\Z", "", text, flags=re.M)
