"""Index directories: vectors, their ids, and a manifest.

    INDEX/index, docid          or embeddings.npy, docid, or embeddings.jsonl: see `vector_files`
    INDEX/manifest.json         what is known of them; an index of stock Pyserini has none

`IndexDirectory.open` reads one; `IndexOutput` (in `index_output`) writes one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.docids import IdFile
from i3_pyserini.formats.index import IndexManifest
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.vector_files import FILES, Kind, Shape, kind_of, read_files


@dataclass(frozen=True)
class IndexDirectory:
    """An existing index directory; its vectors are read later.

    Attributes:
        path: the directory.
        kind: of its files.
        manifest: an empty one if it has none.
        has_manifest: whether it has one.
    """

    path: Path
    kind: Kind
    manifest: IndexManifest
    has_manifest: bool

    @classmethod
    def open(cls, path: Path, kind: Kind | None = None) -> "IndexDirectory":
        """Opens an index directory.

        Args:
            path: the directory.
            kind: required kind of files, such as "faiss" for search; None for any.

        Raises:
            I3Error: it has no vectors, or its manifest is damaged.
        """
        if kind is None:
            kind = kind_of(path)
        missing = next((name for name in FILES[kind] if not (path / name).is_file()), None)
        if missing:
            raise I3Error(f"{path}: not an index (no file {missing!r})")
        manifest = IndexManifest.read(path)
        return cls(path, kind, manifest or IndexManifest(), manifest is not None)

    @property
    def ids(self) -> IdFile:
        """The file that has the ids, to be read by itself."""
        return IdFile(self.path / FILES[self.kind][-1], self.kind == "jsonl")

    def vectors(self) -> tuple[Shape, Iterator[Block]]:
        """Number and dimension of the vectors, and all of them with their ids, block by block.

        Raises:
            I3Error: they are damaged, or ids and vectors are not as many.
        """
        return read_files(self.path)
