"""Output directories, which appear only when they are complete."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import (
    LOCK,
    cannot_write,
    file_hash,
    locked,
    publish_folder,
    same_place,
    unfinished,
)
from i3_pyserini.formats.chunks import CHUNKS
from i3_pyserini.formats.content_hashes import HASHES, Hashes, write_hashes
from i3_pyserini.formats.index import IndexManifest
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.records import MANIFEST
from i3_pyserini.formats.vector_files import FILES, Kind, Shape, write_files
from i3_pyserini.system import link, staying

FLOAT_IN_JSON = 22  # bytes of a float32 in JSON, at most
BYTES_OF_AN_ID = 16
PUBLISHED = "published"  # file with the hash of the manifest of what is given its name
PASSAGES = "passages.jsonl"  # titles, texts and metadata beside `embeddings.npy`


@dataclass(frozen=True)
class Beside:
    """What an index directory has beside vectors, ids and manifest.

    Attributes:
        chunks: a folder with the windows that were encoded, of which the directory gets a copy;
            None if documents were not cut.
        hashes: of what the encoder read, in the order of the vectors; returns None if unknown. A
            function, since Windows deletes no file that is mapped.
        release: called when everything is written, to close files of the directory that is
            replaced.
    """

    chunks: Path | None = None
    hashes: Callable[[], Hashes | None] = lambda: None
    release: Callable[[], None] = lambda: None


NOTHING = Beside()


class IndexOutput:
    """A directory of vectors that is being written.

    All work is done in a locked hidden folder beside the target. The manifest is written last, then
    the folder is renamed.

    Args:
        target: the directory to write.
        kind: see `vector_files`.
        overwrite: replace an existing directory.
        updates: a directory that may be replaced in any case: the one that is updated.

    Raises:
        I3Error: the target exists.

    Attributes:
        in_place: whether the directory that is updated is the target.
        written: whether the directory has been written, so far.
    """

    def __init__(
        self,
        target: Path,
        kind: Kind = "faiss",
        overwrite: bool = False,
        updates: Path | None = None,
    ) -> None:
        self.target, self.kind, self.overwrite = target.resolve(), kind, overwrite
        self.in_place = updates is not None and same_place(updates.resolve(), self.target)
        self.folder, self.written = unfinished(self.target), False
        if not overwrite:
            self._remove_done()
        self._refuse_existing()

    @contextmanager
    def work(self) -> Iterator[Path]:
        """The hidden folder, locked. What is in it stays there if the block ends with an error.

        Raises:
            I3Error: another process is at work there, or it cannot be written.
        """
        try:
            with locked(self.folder):
                try:
                    self._refuse_existing()  # it may just have been completed
                    yield self.folder
                finally:  # while the lock is held: before and after, the folder may be another's
                    if not any(self.folder.glob("part-*")):  # nothing that would be done again
                        shutil.rmtree(self.folder, ignore_errors=True)
        finally:  # Windows has kept the folder of the lock; one with parts stays
            with suppress(OSError):
                self.folder.rmdir()

    def refuse_interrupted(self) -> None:
        """Raises if an encoding was begun here, for work that has no parts; within `work`.

        Raises:
            I3Error: there are parts, which would be lost.
        """
        if any(self.folder.glob("part-*")) and not self.overwrite:
            raise I3Error(
                f"{self.target}: an interrupted encoding can be resumed here; choose another "
                "name, or --overwrite"
            )

    def finish(
        self,
        blocks: Iterable[Block],
        shape: Shape,
        manifest: IndexManifest,
        dtype: str = "float32",
        beside: Beside = NOTHING,
    ) -> None:
        """Writes the files and gives the directory its name; within `work`.

        Args:
            blocks: all vectors, in order.
            shape: how many there are, and their dimension.
            manifest: what is known of them; kind, number, dimension and hashes are added.
            dtype: of a `.npy` file.
            beside: see `Beside`.

        Raises:
            I3Error: writing failed.
        """
        chunks = beside.chunks
        if chunks is not None:
            path = str(self.target / CHUNKS / "corpus")
            manifest = replace(manifest, corpus=replace(manifest.corpus, path=path))

        def write(folder: Path) -> None:
            write_files(self.kind, folder, blocks, shape, dtype)
            if chunks is not None:
                ignored = shutil.ignore_patterns("*.store")
                shutil.copytree(chunks, folder / CHUNKS, ignore=ignored, copy_function=link)
            hashes = beside.hashes()
            if hashes is not None:
                write_hashes(folder, hashes)
            beside.release()

        self.publish(write, manifest, shape)

    def publish(self, write: Callable[[Path], None], manifest: IndexManifest, shape: Shape) -> None:
        """Gives files that a function writes their place in the directory; within `work`.

        Args:
            write: writes the files into an empty folder.
            manifest: what is known of them; kind, number, dimension and hashes are added, and the
                size of an `index` that was built of vectors.
            shape: number and dimension of the vectors.

        Raises:
            I3Error: writing failed.
        """
        folder = self.folder / "finished"
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            with staying(folder):
                write(folder)
                self._completed(manifest, folder, shape).write(folder)
            done = self.folder / PUBLISHED
            done.write_text(file_hash(folder / MANIFEST), encoding="utf-8")
            publish_folder(folder, self.target)
            self.written = True
            self._remove_parts()
            done.unlink()  # last: a process that was killed before leaves the rest to the next one
        except OSError as error:
            advice = "fix this and run the same command again"
            raise cannot_write(self.target, error, advice) from error

    def bytes_needed(self, shape: Shape, contents: int = 0, itemsize: int = 4) -> int:
        """About how large the finished files will be.

        Args:
            shape: of the vectors.
            contents: bytes of all texts, for `jsonl`.
            itemsize: bytes of a number in a `.npy` file.
        """
        size = {"faiss": 4, "npy": itemsize, "jsonl": FLOAT_IN_JSON}[self.kind]
        ids = BYTES_OF_AN_ID * shape.passages
        return shape.passages * shape.dimension * size + ids + contents * (self.kind == "jsonl")

    def check_space(self, needed: int) -> int:
        """Compares what will be written with the free space of the disk.

        Returns:
            The free bytes.

        Raises:
            I3Error: it will not fit.
        """
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise I3Error(
                f"{self.target}: needs {tqdm.format_sizeof(needed, 'B')} of disk until it is "
                f"finished, but only {tqdm.format_sizeof(free, 'B')} are free; make room, or see "
                "--store-dtype"
            )
        return free

    def _remove_parts(self) -> None:
        """Removes all of the hidden folder besides its lock and the mark of what is done."""
        for path in self.folder.iterdir():
            if path.name not in (LOCK, PUBLISHED):  # open, so that Windows does not delete it yet
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _remove_done(self) -> None:
        """Removes what is left of a process that was killed when it had written the directory."""
        done = self.folder / PUBLISHED
        if not done.exists():
            return
        # I3Error is a ValueError, as is a mark of other bytes.
        with suppress(OSError, ValueError):  # another one was done, or another process is at work
            with locked(self.folder):
                if done.read_text(encoding="utf-8") != file_hash(self.target / MANIFEST):
                    return
                self._remove_parts()
                done.unlink()
            self.folder.rmdir()

    def _refuse_existing(self) -> None:
        target = self.target
        if target.exists() and not target.is_dir():
            raise I3Error(f"{target}: is a file; expected a directory")
        found = {path.name for path in target.iterdir()} if target.exists() else set()
        if found and not (self.overwrite or self.in_place):
            raise I3Error(f"{target}: exists and is not empty; choose another name, or --overwrite")
        known = {
            MANIFEST,
            HASHES,
            CHUNKS,
            *(name for names in FILES.values() for name in names),
            *([PASSAGES] if self.overwrite else []),  # of an export, which an update has not
        }
        if found - known:
            raise I3Error(
                f"{target}: contains other files ({min(found - known)}); it is not overwritten"
            )

    def _completed(self, manifest: IndexManifest, folder: Path, shape: Shape) -> IndexManifest:
        built = manifest.built
        if built.factory:
            built = replace(built, bytes=(folder / "index").stat().st_size)
        files = sorted(path for path in folder.iterdir() if path.is_file())
        return replace(
            manifest,
            kind=self.kind,
            built=built,
            sha256={path.name: file_hash(path) for path in files},
            dimension=shape.dimension,
            passages=shape.passages,
        )
