"""`manifest.json`: what a folder of data holds, where it came from, and whether it is still so."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from i3_pyserini import __version__
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import file_hash, new_file

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class FileRecord:
    """One file of a folder.

    Attributes:
        size: bytes.
        sha256: hash of its bytes.
        source: where it came from.
        licence: in short; "" if unknown.
        collection: name of the collection that it is; None if it is none.
    """

    size: int
    sha256: str
    source: str
    licence: str = ""
    collection: str | None = None


@dataclass
class Manifest:
    """The files of a folder, by their paths in it.

    Attributes:
        folder: the folder.
        dataset: the data set's name; of an imported collection, the collection's.
        collection: name of the collection in `folder/corpus`, if there is one.
        files: records by path.
    """

    folder: Path
    dataset: str
    collection: str | None = None
    files: dict[str, FileRecord] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> "Manifest":
        """Reads the manifest of a folder.

        Raises:
            I3Error: there is none, or it is damaged.
        """
        path = folder / MANIFEST
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            files = {name: FileRecord(**record) for name, record in content["files"].items()}
            return cls(folder, content["dataset"], content.get("collection"), files)
        except FileNotFoundError as error:
            raise I3Error(
                f"{folder}: no {MANIFEST}; was it made by `i3_pyserini.data get` or `import`?"
            ) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise I3Error(f"{path}: damaged ({error}); remove it and run `get` again") from error

    def save(self) -> None:
        """Writes the manifest; an older one is replaced as a whole."""
        content = {
            "dataset": self.dataset,
            "collection": self.collection,
            "made_by": f"i3_pyserini {__version__}",
            "files": {name: asdict(record) for name, record in sorted(self.files.items())},
        }
        with new_file(self.folder / MANIFEST, overwrite=True) as file:
            file.write(json.dumps(content, indent=2) + "\n")

    def add(
        self, name: str, source: str, licence: str = "", collection: str | None = None
    ) -> FileRecord:
        """Records a file as it is now; `save` writes it down."""
        path = self.folder / name
        record = FileRecord(path.stat().st_size, file_hash(path), source, licence, collection)
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
        """Reads every recorded file; yields its path and "ok", "missing" or what is wrong."""
        for name, record in self.files.items():
            path = self.folder / name
            if not path.is_file():
                yield name, "missing"
            elif (size := path.stat().st_size) != record.size:
                yield name, f"has {size:,} bytes, should have {record.size:,}"
            elif file_hash(path) != record.sha256:
                yield name, "other bytes than recorded (sha256)"
            else:
                yield name, "ok"
