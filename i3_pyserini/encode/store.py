"""Writing vectors in the files that Pyserini reads; they appear under their name when complete."""

import json
import os
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import faiss
import numpy as np

from i3_pyserini.encode.corpus import Passage
from i3_pyserini.errors import I3Error

MANIFEST = "manifest.json"
FILES = {"index", "docid", "embeddings.jsonl", MANIFEST}
CHUNK = 1 << 16  # vectors that are handed to FAISS at a time

Vectors = np.ndarray[Any, np.dtype[np.float32]]


class Store(ABC):
    """A directory of vectors in the making: a context manager, used by one of its kinds.

    Inside the `with` block everything is in a hidden folder beside the target. Leaving it without
    an exception finishes the files, writes the manifest last and moves the folder into place;
    leaving it with one removes it.

    Args:
        target: the directory to write.
        overwrite: replace what is there.

    Raises:
        I3Error: something is there already, or it cannot be written.
    """

    def __init__(self, target: Path, overwrite: bool = False) -> None:
        if target.exists() and not target.is_dir():
            raise I3Error(f"{target}: is a file; name a directory")
        found = {path.name for path in target.iterdir()} if target.exists() else set()
        if found and not overwrite:
            raise I3Error(f"{target}: exists and is not empty; choose another name, or --overwrite")
        if found - FILES:
            raise I3Error(
                f"{target}: has other files than an index's ({min(found - FILES)}); it is not "
                "overwritten"
            )
        target = target.resolve()
        self.target = target
        self.manifest: dict[str, Any] = {}
        self.count = 0
        self._partial = target.with_name(f".{target.name}.partial-{os.getpid()}")

    def __enter__(self) -> Self:
        try:
            self._partial.mkdir(parents=True)
            self._open(self._partial)
        except OSError as error:
            raise self._unwritable(error) from error
        return self

    def add(self, passages: list[Passage], vectors: Vectors) -> None:
        """Appends passages in their order.

        Args:
            passages: B passages.
            vectors: float32 [B, H].

        Raises:
            I3Error: a vector is not finite (its passage is named), or writing failed.
        """
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            docid = passages[int(np.argmin(finite))].docid
            raise I3Error(f"passage {docid!r}: its vector is not finite; is the model sound?")
        try:
            self._write(passages, np.ascontiguousarray(vectors, dtype=np.float32))
        except OSError as error:
            raise self._unwritable(error) from error
        self.count += len(passages)
        self.manifest["dimension"] = int(vectors.shape[1])

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._close()
            if error is None:
                self._finish(self._partial)
                text = json.dumps({**self.manifest, "passages": self.count}, indent=2)
                (self._partial / MANIFEST).write_text(text + "\n", encoding="utf-8")
                self._move()
        except OSError as failure:
            raise self._unwritable(failure) from failure
        finally:
            shutil.rmtree(self._partial, ignore_errors=True)

    def _move(self) -> None:
        for path in self._partial.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        if self.target.exists():
            old = self.target.with_name(f".{self.target.name}.old-{os.getpid()}")
            self.target.rename(old)
            self._partial.rename(self.target)
            shutil.rmtree(old)
        else:
            self._partial.rename(self.target)

    def _unwritable(self, error: OSError) -> I3Error:
        return I3Error(f"{self.target}: cannot be written ({error.strerror or error})")

    @abstractmethod
    def _open(self, folder: Path) -> None: ...

    @abstractmethod
    def _write(self, passages: list[Passage], vectors: Vectors) -> None: ...

    @abstractmethod
    def _close(self) -> None: ...

    def _finish(self, folder: Path) -> None:  # noqa: B027  (most kinds have nothing to do)
        """Turns what was written into the final files."""


class FaissStore(Store):
    """`{index, docid}`: a FAISS inner-product index and one id a line."""

    def _open(self, folder: Path) -> None:
        self._ids = (folder / "docid").open("w", encoding="utf-8")
        self._vectors = (folder / "vectors.f32").open("wb")

    def _write(self, passages: list[Passage], vectors: Vectors) -> None:
        self._ids.writelines(f"{passage.docid}\n" for passage in passages)
        self._vectors.write(vectors.tobytes())

    def _close(self) -> None:
        self._ids.close()
        self._vectors.close()

    def _finish(self, folder: Path) -> None:
        dimension = self.manifest["dimension"]
        shape = (self.count, dimension)
        rows = np.memmap(folder / "vectors.f32", dtype=np.float32, mode="r", shape=shape)
        index = faiss.IndexFlatIP(dimension)
        for start in range(0, self.count, CHUNK):
            index.add(np.ascontiguousarray(rows[start : start + CHUNK]))
        try:
            faiss.write_index(index, str(folder / "index"))
        except RuntimeError as error:  # what FAISS makes of a full disk
            raise OSError(str(error).splitlines()[-1]) from error
        del rows
        (folder / "vectors.f32").unlink()


class JsonlStore(Store):
    """`embeddings.jsonl`: id, contents and vector, as Pyserini and Anserini read it."""

    def _open(self, folder: Path) -> None:
        self._file = (folder / "embeddings.jsonl").open("w", encoding="utf-8")

    def _write(self, passages: list[Passage], vectors: Vectors) -> None:
        for passage, vector in zip(passages, vectors, strict=True):
            record = {
                "id": passage.docid,
                "contents": passage.contents,
                "vector": vector.tolist(),
            }
            self._file.write(json.dumps(record) + "\n")

    def _close(self) -> None:
        self._file.close()


def read_manifest(index: Path) -> dict[str, Any]:
    """The manifest beside an index; {} where there is none (an index made by stock Pyserini).

    Raises:
        I3Error: it is damaged.
    """
    try:
        manifest: dict[str, Any] = json.loads((index / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise I3Error(f"{index / MANIFEST}: cannot be read ({error})") from error
    return manifest
