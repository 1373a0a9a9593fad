"""Encodes what changed in a corpus, and takes the other vectors over from an older index.

.INDEX.partial/update/missing.jsonl   passages to encode, a corpus of its own
.INDEX.partial/update/rows.bin        for each passage the row of the older index, or -1
.INDEX.partial/update/docid, hashes.bin   ids and hashes of all passages, in order

The comparison is made again when an update is resumed; the parts of the missing passages are kept,
as those of any encoding (see `job`).
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np

from i3_pyserini.encode.base_index import NO_ROW, BaseIndex, Changes, KnownPassages, Rows
from i3_pyserini.encode.job import Job, drop_job, open_job
from i3_pyserini.encode.scan import Scan, scan
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.content_hashes import (
    HASH_BYTES,
    HASHES,
    Hashes,
    content_hash,
    written_hashes,
)
from i3_pyserini.formats.corpus_files import find_files
from i3_pyserini.formats.docids import read_docids
from i3_pyserini.formats.index import IndexManifest, UpdateRecord
from i3_pyserini.formats.parts import Array, Block
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.passages import Corpus, Place

FOLDER = "update"
BLOCK = 4096  # passages that are compared or written at a time
MISSING, ROWS, DOCIDS, CONTENTS = "missing.jsonl", "rows.bin", "docid", "hashes.bin"


@dataclass(frozen=True)
class Update:
    """An update of an index.

    Attributes:
        folder: the folder of the comparison.
        base: the older index.
        corpus: the newer corpus.
        scan: what its scan found.
        changes: see `Changes`.
        job: the encoding of the missing passages; None if there are none.
    """

    folder: Path
    base: BaseIndex
    corpus: Corpus
    scan: Scan
    changes: Changes
    job: Job | None

    @property
    def rows(self) -> Rows:
        """The row of the older index whose vector each passage takes over, int64 [N]."""
        path = self.folder / ROWS
        return np.memmap(path, np.int64, "r", shape=(self.scan.passages,))

    def hashes(self) -> Hashes:
        """The content hash of every passage, uint8 [N, 16]."""
        found = written_hashes(self.folder / CONTENTS)
        assert found is not None  # noqa: S101  (`open_update` wrote it)
        return found

    def is_needless(self) -> bool:
        """Whether the older index is already that of the newer corpus, in every byte.

        It is not if it lacks content hashes, as one of an earlier version, or if its manifest names
        another place of the corpus, from which texts would be read.
        """
        known, count = self.base.manifest.corpus, self.scan.passages
        same_place = bool(known.chunks) or known.path == str(self.corpus.path.resolve())
        same_lines = known.sha256 == self.scan.sha256
        same_passages = count == len(self.base.docids) == self.changes.unchanged
        has_hashes = (self.base.path / HASHES).is_file()
        return same_place and same_lines and same_passages and has_hashes

    def blocks(self, with_contents: bool = False) -> Iterator[Block]:
        """All passages in the order of the newer corpus, a block in memory at a time.

        Raises:
            I3Error: a part is damaged, or the corpus has changed.
        """
        fresh = _Vectors(self.job.blocks() if self.job else iter(()))
        docids = read_docids(self.folder / DOCIDS)
        passages = self.corpus.read(Place())
        for start in range(0, self.scan.passages, BLOCK):
            rows = np.array(self.rows[start : start + BLOCK])
            ids = list(islice(docids, len(rows)))
            contents = None
            if with_contents:
                texts = list(islice(passages, len(rows)))
                if [passage.docid for passage in texts] != ids:
                    raise self.changed()
                contents = [passage.contents for passage in texts]
            vectors = np.empty((len(rows), self.base.vectors.shape[1]), self.base.vectors.dtype)
            known = rows != NO_ROW
            vectors[known] = self.base.vectors[rows[known]]
            vectors[~known] = fresh.take(int((~known).sum()), vectors[~known])
            yield Block(ids, vectors, contents)

    def share_cut(self) -> float | None:
        """The share of truncated passages; None if unknown.

        For vectors that are taken over it is the share in the older index, which is exact only if
        all or none of its passages were truncated.

        Raises:
            I3Error: a part is damaged.
        """
        known, encoded = self.base.manifest.encoder.cut, self.changes.encoded
        fresh = self.job.share_cut() if self.job else 0.0
        if known is None or fresh is None:
            return None
        total = self.scan.passages
        return (known * (total - encoded) + fresh * encoded) / total

    def record(self) -> UpdateRecord:
        """What the manifest says of it."""
        before = self.base.manifest.update
        return UpdateRecord(
            of=str(self.base.path.resolve()),
            times=1 + (before.times or 0 if before else 0),
            taken_over=self.scan.passages - self.changes.encoded,
            encoded=self.changes.encoded,
            removed=self.changes.removed,
        )

    def changed(self) -> I3Error:
        """The error for a corpus that changed while it was encoded."""
        return I3Error(f"{self.corpus.path}: has changed meanwhile; run the same command again")


def open_update(
    folder: Path,
    base: Path,
    corpus: Corpus,
    known: IndexManifest,
    overwrite: bool,
    part_passages: int,
) -> Update:
    """Compares a corpus with an index, and starts or resumes the encoding of what is missing.

    Args:
        folder: the hidden folder of the output, locked by the caller.
        base: the older index.
        corpus: the newer corpus, staged.
        known: everything that affects vectors and files.
        overwrite: start over if another encoding was begun in the folder.
        part_passages: passages per part.

    Raises:
        I3Error: the index cannot be updated, the corpus is invalid, or another encoding was begun.
    """
    own = folder / FOLDER
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    older = BaseIndex.open(base, known, own)
    try:
        with _Comparison(own, older) as comparison:
            found = scan(corpus, None, own, part_passages, comparison.add)
    except OSError as error:
        raise I3Error(f"{own}: cannot be written ({error.strerror or error})") from error
    changes = comparison.changes
    changes.removed = len(older.docids) - changes.unchanged - changes.changed
    job, settings = None, {**known.to_json(), "update": True}
    if changes.encoded:
        # The path stays that of the corpus: messages name it.
        missing = replace(corpus, sources=find_files(own / MISSING), stage=None)
        job = open_job(folder, missing, settings, overwrite, part_passages)
    else:  # parts are of another state of the corpus
        drop_job(folder, settings, overwrite, part_passages)
    return Update(own, older, corpus, found, changes, job)


class _Comparison:
    """Takes passages one after the other, and writes what is to be done with each."""

    def __init__(self, folder: Path, base: BaseIndex) -> None:
        self.changes = Changes()
        self._known = KnownPassages(base)
        self._titles = base.manifest.titles is not False
        self._folder, self._stack = folder, ExitStack()
        self._files: dict[str, BinaryIO] = {}
        self._waiting: list[tuple[str, bytes, bytes]] = []

    def __enter__(self) -> Self:
        for name in (MISSING, ROWS, DOCIDS, CONTENTS):
            file: Any = self._stack.enter_context((self._folder / name).open("wb"))
            self._files[name] = file
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        with self._stack:
            if kind is None:
                self._compare()

    def add(self, passage: Passage, line: bytes) -> None:
        """Takes the next passage and its line."""
        self._waiting.append((passage.docid, content_hash(passage, self._titles), line))
        if len(self._waiting) == BLOCK:
            self._compare()

    def _compare(self) -> None:
        if not self._waiting:
            return
        docids, hashes, lines = zip(*self._waiting, strict=True)
        joined = b"".join(hashes)
        contents = np.frombuffer(joined, np.uint8).reshape(-1, HASH_BYTES)
        rows = self._known.find(docids, contents, self.changes)
        missing = [lines[place].rstrip(b"\r\n") + b"\n" for place in np.flatnonzero(rows == NO_ROW)]
        self._files[MISSING].writelines(missing)
        self._files[ROWS].write(rows.data)
        self._files[DOCIDS].write("".join(f"{docid}\n" for docid in docids).encode())
        self._files[CONTENTS].write(joined)
        self._waiting = []


class _Vectors:
    """Vectors of blocks, taken a few at a time."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._blocks = blocks
        self._left: Array | None = None

    def take(self, count: int, like: Array) -> Array:
        """The next vectors, [count, H]; `like` gives the form of none."""
        taken = [like[:0]]
        while count:
            if self._left is None or not len(self._left):
                self._left = next(self._blocks).vectors
            some = self._left[:count]
            taken.append(some)
            self._left, count = self._left[len(some) :], count - len(some)
        return np.concatenate(taken)
