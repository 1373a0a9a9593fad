"""Reading a JSONL corpus as `pyserini.encode` does, but as a stream and with every line checked."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from i3_pyserini.errors import I3Error
from i3_pyserini.jsonl import read_jsonl

SUFFIXES = (".jsonl", ".json")
ID_FIELDS = ("id", "_id", "docid")
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Passage:
    """One passage of a corpus.

    Attributes:
        docid: its id.
        title: its title; None if it has none.
        text: all else that was asked for.
        contents: the fields that were asked for, joined by newlines, as Pyserini writes them.
    """

    docid: str
    title: str | None
    text: str
    contents: str


@dataclass(frozen=True)
class CorpusSummary:
    """What one pass over a corpus found.

    Attributes:
        passages: number of passages.
        sha256: hash of all files' bytes, in order.
        files: names of the files, in order.
    """

    passages: int
    sha256: str
    files: list[str]


@dataclass(frozen=True)
class Corpus:
    """A JSONL file, or a folder of `.jsonl` and `.json` files taken in name order.

    Attributes:
        path: the file or folder.
        fields: the fields to read, as Pyserini's `--fields`: each under its own name, or all of
            them in `contents`, separated by `delimiter`. Empty (the default) for `title` where a
            passage has one, and `text` or else `contents`.
        docid_field: the field with the id; None for the first of `id`, `_id`, `docid`.
        delimiter: see `fields`.
    """

    path: Path
    fields: tuple[str, ...] = ()
    docid_field: str | None = None
    delimiter: str = "\n"
    _files: list[Path] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Lists the files.

        Raises:
            I3Error: there is nothing at `path`, or no file that could be a corpus.
        """
        if self.path.is_dir():
            files = sorted(file for file in self.path.iterdir() if file.suffix in SUFFIXES)
            if not files:
                raise I3Error(f"{self.path}: no .jsonl or .json file in this folder")
        elif self.path.exists():
            files = [self.path]
        else:
            raise I3Error(f"{self.path}: no such file or folder")
        object.__setattr__(self, "_files", files)

    def __iter__(self) -> Iterator[Passage]:
        """Yields the passages in order; nothing of them is kept.

        Raises:
            I3Error: a line is not as it should be; names file and line.
        """
        for file in self._files:
            for number, record in read_jsonl(file):
                yield self._passage(record, f"{file}, line {number}")

    def check(self) -> CorpusSummary:
        """Reads the whole corpus once, before anything is paid for.

        Memory: about 100 bytes a passage, for finding duplicate ids.

        Raises:
            I3Error: a line is not as it should be, an id occurs twice, or there is no passage.
        """
        seen: set[str] = set()
        for file in self._files:
            lines = tqdm(read_jsonl(file), desc=f"check {file.name}", unit="line", delay=2)
            for number, record in lines:
                place = f"{file}, line {number}"
                docid = self._passage(record, place).docid
                if docid in seen:
                    raise I3Error(f"{place}: id {docid!r} occurs a second time; ids must be unique")
                seen.add(docid)
        if not seen:
            raise I3Error(f"{self.path}: no passages in {len(self._files)} file(s)")
        return CorpusSummary(len(seen), self._hash(), [file.name for file in self._files])

    def _hash(self) -> str:
        digest = hashlib.sha256()
        for file in self._files:
            with file.open("rb") as content:
                while block := content.read(1 << 20):
                    digest.update(block)
        return digest.hexdigest()

    def _passage(self, record: dict[str, Any], place: str) -> Passage:
        values = self._values(record, place)
        title = values.get("title")
        parts = [value for name, value in values.items() if name != "title" and value]
        text = values["text"] or "" if "text" in values else " ".join(filter(None, parts))
        contents = "\n".join(value or "" for value in values.values())
        return Passage(self._docid(record, place), title or None, text, contents)

    def _docid(self, record: dict[str, Any], place: str) -> str:
        names = (self.docid_field,) if self.docid_field else ID_FIELDS
        found = [record[name] for name in names if name in record]
        if not found:
            raise I3Error(f"{place}: no id (field {' or '.join(map(repr, names))})")
        if not isinstance(found[0], str | int) or isinstance(found[0], bool):
            raise I3Error(f"{place}: the id is a {type(found[0]).__name__}, not a string or number")
        docid = str(found[0])
        if not docid or docid != "".join(docid.split()):
            raise I3Error(f"{place}: id {docid!r} is empty or has white space in it")
        return docid

    def _values(self, record: dict[str, Any], place: str) -> dict[str, str | None]:
        """The fields' values, in the order asked for, without surrounding blanks."""
        fields = self.fields
        if not fields:
            text = "text" if "text" in record or "contents" not in record else "contents"
            fields = ("title", text) if "title" in record else (text,)
        if all(name in record for name in fields):
            return {name: _text(record[name], name, place) for name in fields}
        absent = [name for name in fields if name not in record]
        contents = record.get("contents")
        if contents is None:
            raise I3Error(
                f"{place}: no field {', '.join(map(repr, absent))} and no 'contents' "
                f"(it has {', '.join(map(repr, record))})"
            )
        parts = (_text(contents, "contents", place) or "").split(self.delimiter)
        if len(parts) == len(fields) + 1 and not parts[-1]:
            parts.pop()
        if len(parts) != len(fields):
            raise I3Error(
                f"{place}: 'contents' has {len(parts)} part(s) between {self.delimiter!r}, but "
                f"{len(fields)} field(s) are asked for: {' '.join(fields)}"
            )
        return {name: part.strip(" ") for name, part in zip(fields, parts, strict=True)}


def collection_name(corpus: Path) -> str | None:
    """The name of a collection, from the manifest that `i3_pyserini.data` writes above its folder.

    Args:
        corpus: `FOLDER/corpus`, or a file in it, where `FOLDER` has a `manifest.json`.

    Returns:
        The name, such as "msmarco-passage-titled"; None where there is no such manifest.
    """
    folder = corpus if corpus.is_dir() else corpus.parent
    try:
        manifest = json.loads((folder.resolve().parent / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    name = manifest.get("collection") if isinstance(manifest, dict) else None
    return name if isinstance(name, str) else None


def _text(value: object, name: str, place: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise I3Error(f"{place}: field {name!r} is a {type(value).__name__}, not a string")
    return value if name == "contents" else value.strip()
