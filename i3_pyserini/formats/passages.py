"""Reading a JSONL corpus as `pyserini.encode` does, but as a stream and with every line checked."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.jsonl import BYTE_ORDER_MARK, parse_object

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
class Place:
    """Where a line begins.

    Attributes:
        file: number of the file, from 0 on.
        offset: byte in it.
    """

    file: int = 0
    offset: int = 0


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
    files: tuple[Path, ...] = field(init=False, repr=False)

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
        object.__setattr__(self, "files", tuple(files))

    def __iter__(self) -> Iterator[Passage]:
        """Yields the passages in order; nothing of them is kept.

        Raises:
            I3Error: a line is not as it should be; names file and line.
        """
        return self.read(Place())

    def read(self, start: Place) -> Iterator[Passage]:
        """Yields the passages from a place on.

        Raises:
            I3Error: a line is not as it should be; names file and line.
        """
        lines = self.lines(start)
        return (self.passage(line, place) for place, line in lines if line.strip())

    def lines(self, start: Place) -> Iterator[tuple[Place, bytes]]:
        """Yields the lines, blank ones too, that begin at or after a place; with their ends.

        A byte order mark is left out.
        """
        for number in range(start.file, len(self.files)):
            offset = start.offset if number == start.file else 0
            try:
                with self.files[number].open("rb") as file:
                    if offset:  # a place may be inside a line: that one began before it
                        file.seek(offset - 1)
                        offset += len(file.readline()) - 1
                    for raw in file:
                        line = raw if offset else raw.removeprefix(BYTE_ORDER_MARK)
                        yield Place(number, offset), line
                        offset += len(raw)
            except OSError as error:
                raise I3Error(f"{self.files[number]}: cannot be read ({error.strerror})") from error

    def passage(self, line: bytes, place: Place) -> Passage:
        """The passage on a line that is not blank.

        Args:
            line: the line.
            place: where it begins.

        Raises:
            I3Error: the line is not as it should be; names file and line.
        """
        try:
            return self._passage(parse_object(line))
        except I3Error as error:
            raise I3Error(f"{self.name_of(place)}: {error}") from error

    def name_of(self, place: Place) -> str:
        """File and line of a place, for messages; the lines before it are counted for that."""
        number = 1
        with self.files[place.file].open("rb") as file:
            while file.tell() < place.offset:
                block = file.read(min(1 << 20, place.offset - file.tell()))
                if not block:
                    break
                number += block.count(b"\n")
        return f"{self.files[place.file]}, line {number}"

    def _passage(self, record: dict[str, Any]) -> Passage:
        values = self._values(record)
        title = values.get("title")
        parts = [value for name, value in values.items() if name != "title" and value]
        text = values["text"] or "" if "text" in values else " ".join(filter(None, parts))
        contents = "\n".join(value or "" for value in values.values())
        return Passage(self._docid(record), title or None, text, contents)

    def _docid(self, record: dict[str, Any]) -> str:
        names = (self.docid_field,) if self.docid_field else ID_FIELDS
        found = [record[name] for name in names if name in record]
        if not found:
            raise I3Error(f"no id (field {' or '.join(map(repr, names))})")
        if not isinstance(found[0], str | int) or isinstance(found[0], bool):
            raise I3Error(f"the id is a {type(found[0]).__name__}, not a string or number")
        docid = str(found[0])
        if not docid or docid != "".join(docid.split()):
            raise I3Error(f"id {docid!r} is empty or has white space in it")
        _check_encodable(docid, "the id")
        return docid

    def _values(self, record: dict[str, Any]) -> dict[str, str | None]:
        """The fields' values, in the order asked for, without surrounding blanks."""
        fields = self.fields
        if not fields:
            text = "text" if "text" in record or "contents" not in record else "contents"
            fields = ("title", text) if "title" in record else (text,)
        if all(name in record for name in fields):
            return {name: _text(record[name], name) for name in fields}
        absent = [name for name in fields if name not in record]
        contents = record.get("contents")
        if contents is None:
            raise I3Error(
                f"no field {', '.join(map(repr, absent))} and no 'contents' "
                f"(it has {', '.join(map(repr, record))})"
            )
        parts = (_text(contents, "contents") or "").split(self.delimiter)
        if len(parts) == len(fields) + 1 and not parts[-1]:
            parts.pop()
        if len(parts) != len(fields):
            raise I3Error(
                f"'contents' has {len(parts)} part(s) between {self.delimiter!r}, but "
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


def _text(value: object, name: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise I3Error(f"field {name!r} is a {type(value).__name__}, not a string")
    _check_encodable(value, f"field {name!r}")
    return value if name == "contents" else value.strip()


def _check_encodable(value: str, what: str) -> None:
    if value.isascii():
        return
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise I3Error(f"{what} has half a character (a lone surrogate) at {error.start}") from error
