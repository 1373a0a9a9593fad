"""`manifest.json` of a data folder: its files with sources and hashes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from i3_pyserini import __version__
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import file_hash
from i3_pyserini.formats.chunks import ChunksRecord
from i3_pyserini.formats.made import Made
from i3_pyserini.formats.records import (
    MANIFEST,
    Record,
    read_object,
    read_record,
    write_object,
    write_record,
)


@dataclass(frozen=True)
class FileRecord(Record):
    """One file of a folder.

    Attributes:
        size: bytes.
        sha256: hash of its bytes.
        source: its source.
        licence: short name of its license; "" if unknown.
        collection: name of the collection that it is; None if it is none.
        made: how its queries were made; None if they were not.
        part_of: the split whose queries it has some of; None if there is none.
    """

    size: int = -1
    sha256: str = ""
    source: str = ""
    licence: str = ""
    collection: str | None = None
    made: Made | None = None
    part_of: str | None = None


@dataclass(frozen=True)
class _Content(Record):
    dataset: str | None = None
    collection: str | None = None
    language: str | None = None
    made_by: str | None = None
    metadata: Mapping[str, str] | None = None
    chunks: ChunksRecord | None = None
    files: dict[str, FileRecord] | None = None


@dataclass
class Manifest:
    """The files of a folder, by their paths in it.

    Attributes:
        folder: the folder.
        dataset: the data set's name; of an imported collection, the collection's.
        collection: name of the collection in `folder/corpus`, if there is one.
        metadata: further fields of its passages, and their types; see `metadata.FieldTypes`.
        files: records by path.
        chunks: how its documents were cut into windows; None if they were not.
        language: of its passages, as a tag such as "de" or "zh-Hant"; None if unknown.
    """

    folder: Path
    dataset: str
    collection: str | None = None
    files: dict[str, FileRecord] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    chunks: ChunksRecord | None = None
    language: str | None = None

    @classmethod
    def of(cls, folder: Path) -> "Manifest":
        """The manifest of a folder, or a new one named after it.

        Raises:
            I3Error: it is damaged.
        """
        known = (folder / MANIFEST).exists()
        return cls.load(folder) if known else cls(folder, folder.resolve().name)

    @classmethod
    def load(cls, folder: Path) -> "Manifest":
        """Reads the manifest of a folder.

        Raises:
            I3Error: it does not exist or is damaged.
        """
        try:
            content = _read(folder)
        except FileNotFoundError as error:
            raise I3Error(
                f"{folder}: no {MANIFEST}; was it made by `data get` or `data import`?"
            ) from error
        except I3Error as error:
            raise I3Error(f"{error}; remove it and run `data get` again") from error
        if content.dataset is None or content.files is None:
            raise I3Error(
                f"{folder / MANIFEST}: damaged (no 'dataset' or no 'files'); remove it and run "
                "`get` again"
            )
        files, metadata = dict(content.files), content.metadata or {}
        found = (content.dataset, content.collection, files, metadata, content.chunks)
        return cls(folder, *found, content.language)

    def save(self) -> None:
        """Writes the manifest; an older one is replaced as a whole."""
        content = _Content(
            dataset=self.dataset,
            collection=self.collection,
            language=self.language,
            made_by=f"i3_pyserini {__version__}",
            files=dict(sorted(self.files.items())),
            metadata=self.metadata or None,
            chunks=self.chunks,
        )
        write_object(self.folder / MANIFEST, write_record(content))

    def add(
        self,
        name: str,
        source: str,
        licence: str = "",
        collection: str | None = None,
        made: Made | None = None,
        part_of: str | None = None,
        unnamed: TextIO | None = None,
    ) -> FileRecord:
        """Records a file as it is now; `save` writes it down.

        Args:
            name: its path in the folder.
            source: its source.
            licence: short name of its license.
            collection: name of the collection that it is.
            made: how its queries were made.
            part_of: the split whose queries it has some of.
            unnamed: the file of `new_file`, all written, if it does not have its name yet. A mark
                that is saved before the file appears cannot be missing after an interruption.
        """
        path = self.folder / name
        if unnamed is not None:
            unnamed.flush()
            path = Path(unnamed.name)
        record = FileRecord(
            size=path.stat().st_size,
            sha256=file_hash(path),
            source=source,
            licence=licence,
            collection=collection,
            made=made,
            part_of=part_of,
        )
        self.files[name] = record
        return record

    def has(self, name: str) -> bool:
        """Whether a file, or every file of a folder, is recorded and still has its size."""
        records = {
            path: record
            for path, record in self.files.items()
            if path == name or path.startswith(f"{name}/")
        }
        return bool(records) and all(
            (self.folder / path).is_file() and (self.folder / path).stat().st_size == record.size
            for path, record in records.items()
        )

    def check(self) -> Iterator[tuple[str, str]]:
        """Checks every recorded file; yields its path and "ok", "missing" or the error."""
        for name, record in self.files.items():
            path = self.folder / name
            if not path.is_file():
                yield name, "missing"
            elif (size := path.stat().st_size) != record.size:
                yield name, f"has {size:,} bytes, should have {record.size:,}"
            elif file_hash(path) != record.sha256:
                yield name, "content differs from the record (sha256)"
            else:
                yield name, "ok"


def named_collection(folder: Path) -> str | None:
    """The name of the collection in a folder; None where no manifest names one."""
    try:
        return _read(folder).collection
    except (FileNotFoundError, I3Error):
        return None


def kept_metadata(folder: Path) -> Mapping[str, str]:
    """The metadata of the collection in a folder; none where no manifest names one."""
    try:
        return _read(folder).metadata or {}
    except (FileNotFoundError, I3Error):
        return {}


def collection_folder(corpus: Path) -> Path | None:
    """The folder whose manifest describes the passages of a corpus.

    Args:
        corpus: `FOLDER/corpus`, or a file in it; or `FOLDER`.

    Returns:
        The folder, with a manifest or not; None for a file that is somewhere else.
    """
    folder = (corpus if corpus.is_dir() else corpus.parent).resolve()
    if folder.name == "corpus":
        return folder.parent
    return folder if corpus.is_dir() else None


def chunks_of(corpus: Path) -> ChunksRecord | None:
    """How the documents of a corpus were cut into windows; None if they were not."""
    folder = collection_folder(corpus)
    try:
        return None if folder is None else _read(folder).chunks
    except (FileNotFoundError, I3Error):
        return None


def declared_language(corpus: Path) -> tuple[str, Path] | None:
    """The language that the collection of a corpus declares.

    Returns:
        The tag as it was written, and the manifest; None where no manifest has one.
    """
    folder = collection_folder(corpus)
    try:
        tag = None if folder is None else _read(folder).language
    except (FileNotFoundError, I3Error):
        return None
    return (tag, folder / MANIFEST) if tag and folder else None


def _read(folder: Path) -> _Content:
    return read_record(_Content, read_object(folder / MANIFEST), str(folder / MANIFEST))
