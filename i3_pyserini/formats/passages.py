"""The reader of corpora, used by every command."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.corpus_files import PassageFile, find_files, relative_names
from i3_pyserini.formats.folder_manifest import collection_folder, kept_metadata, named_collection
from i3_pyserini.formats.lines import BYTE_ORDER_MARK, parse_object
from i3_pyserini.formats.passage_fields import Passage, PassageFields, shortened
from i3_pyserini.formats.passage_records import header_of, json_lines, place
from i3_pyserini.formats.table_notes import note_reading
from i3_pyserini.formats.tables import AS_NAMED, Table


@dataclass(frozen=True)
class Place:
    """Where a line begins.

    Attributes:
        file: number of the file, from 0 on.
        offset: byte in its lines, which for a file that is compressed or a table are those that
            `json_lines` makes of it.
    """

    file: int = 0
    offset: int = 0


@dataclass(frozen=True)
class Corpus:
    """The passages of a file, or of all files of a folder and its sub-folders, in name order.

    Files are JSONL (`.jsonl`, `.json`, `.ndjson`), CSV, TSV or Parquet, each plain or compressed
    by gzip or zstd. Names of fields are looked for exactly, then in any case.

    To every format a corpus is a sequence of JSON lines. Plain JSONL can be read from any byte on;
    other files from their beginning only, unless they are `staged`.

    Attributes:
        path: the file or folder.
        fields: the fields to read, as Pyserini's `--fields`: each under its own name, or all of
            them in `contents`, separated by `delimiter`. Empty (the default) for the title where a
            passage has one, and the text.
        docid_field: the field with the id; None for the first of `ID_FIELDS`.
        delimiter: see `fields`.
        title_field: the field with the title; None for `title`.
        text_field: the field with the text; None for the first of `TEXT_FIELDS`.
        keep: further fields, which are kept in `Passage.extra`; by default those that the
            collection was imported with.
        ids: whether passages have ids; if not, `docid` is "".
        table: how CSV and TSV files are to be read.
        sources: the files; found at `path` by default.
        stage: folder with copies of the files that are not plain JSONL; see `staged`.

    Raises:
        I3Error: there is nothing at `path`, no file of passages, or one that cannot be read.
    """

    path: Path
    fields: tuple[str, ...] = ()
    docid_field: str | None = None
    delimiter: str = "\n"
    title_field: str | None = None
    text_field: str | None = None
    keep: tuple[str, ...] = ()
    table: Table = AS_NAMED
    ids: bool = True
    sources: tuple[PassageFile, ...] = ()
    stage: Path | None = None

    def __post_init__(self) -> None:
        """Lists the files, and notes what is not read and how tables are read."""
        if not self.sources:
            object.__setattr__(self, "sources", find_files(self.path))
            object.__setattr__(self, "keep", self.keep or kept_fields(self.path))
            note_reading(self.path, self.sources, self._fields, self.table)

    def __iter__(self) -> Iterator[Passage]:
        """Yields the passages in order; nothing of them is kept.

        Raises:
            I3Error: a line is invalid; names file and line.
        """
        return self.read(Place())

    def read(self, start: Place) -> Iterator[Passage]:
        """Yields the passages from a place on.

        Raises:
            I3Error: a line is invalid; names file and line.
        """
        lines = self.lines(start)
        return (self.passage(line, place) for place, line in lines if line.strip())

    def located(self) -> Iterator[tuple[str, Passage]]:
        """Yields all passages, each with file and line for messages.

        Raises:
            I3Error: a line is invalid; names file and line.
        """
        for file in self.sources:
            for number, raw in json_lines(file, self._fields, self.table):
                line = raw.removeprefix(BYTE_ORDER_MARK) if number == 1 else raw
                if line.strip():
                    where = place(file, number)
                    try:
                        yield where, self._fields.passage(parse_object(line))
                    except I3Error as error:
                        raise I3Error(f"{where}: {error}") from error

    def find(self, docid: str) -> Passage:
        """The passage with an id; the corpus is read until it is found.

        Raises:
            I3Error: there is none, or a line before it is invalid.
        """
        for passage in self:
            if passage.docid == docid:
                return passage
        raise I3Error(
            f"{self.path}: no passage with id {shortened(docid)} in {len(self.sources)} file(s)"
        )

    def lines(self, start: Place) -> Iterator[tuple[Place, bytes]]:
        """Yields the lines, blank ones too, that begin at or after a place; with their ends.

        A byte order mark is skipped.
        """
        for number in range(start.file, len(self.sources)):
            first = start.offset if number == start.file else 0
            for offset, raw in self._lines_from(number, first):
                line = raw if offset else raw.removeprefix(BYTE_ORDER_MARK)
                yield Place(number, offset), line

    def passage(self, line: bytes, place: Place) -> Passage:
        """The passage on a line that is not blank.

        Args:
            line: the line.
            place: where it begins.

        Raises:
            I3Error: the line is invalid; names file and line.
        """
        try:
            return self._fields.passage(parse_object(line))
        except I3Error as error:
            raise I3Error(f"{self.name_of(place)}: {error}") from error

    def name_of(self, where: Place) -> str:
        """File and line of a place, for messages; the file is read up to it for that."""
        file, offset, number = self.sources[where.file], 0, 0
        for number, line in json_lines(file, self._fields, self.table):  # noqa: B007
            if offset >= where.offset:
                break
            offset += len(line)
        return place(file, number)

    def unread_columns(self) -> list[str]:
        """The columns of CSV and TSV files that are not read.

        Raises:
            I3Error: a file cannot be read, or has an invalid header.
        """
        headers = [
            header_of(file, self._fields, self.table) or []
            for file in self.sources
            if file.format in ("csv", "tsv")
        ]
        return [name for one in headers for name in one if name not in self._fields.columns(one)]

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of `path`."""
        return tuple(file.path for file in self.sources)

    @property
    def names(self) -> list[str]:
        """Names of the files, within their folder."""
        return list(relative_names(self.path, self.sources))

    @property
    def sizes(self) -> list[int]:
        """Bytes of each file's lines.

        Raises:
            I3Error: a file cannot be read.
        """
        return [
            self._read_sizes[number] if path is None else _size(path)
            for number, path in enumerate(map(self._seekable, range(len(self.sources))))
        ]

    def staged(self, folder: Path) -> "Corpus":
        """The same lines at the same places, each of which can be read without those before it.

        Files that are not plain JSONL are copied as JSON lines, one after the other.

        Args:
            folder: for the copies; what is in it is removed. Needed as long as the result is.

        Raises:
            I3Error: a file cannot be read, a row is invalid, or a copy cannot be written.
        """
        shutil.rmtree(folder, ignore_errors=True)
        if all(file.seekable for file in self.sources):
            return self
        staged = replace(self, stage=folder)
        try:
            folder.mkdir(parents=True)
            for number, file in enumerate(self.sources):
                if not file.seekable:
                    with staged._copy(number).open("wb") as copy:
                        lines = json_lines(file, self._fields, self.table)
                        copy.writelines(line for _, line in lines)
        except OSError as error:
            raise I3Error(f"{folder}: cannot be written ({error.strerror or error})") from error
        return staged

    def absolute(self) -> "Corpus":
        """The same corpus for processes with other working directories."""
        sources = tuple(replace(file, path=file.path.absolute()) for file in self.sources)
        return replace(self, path=self.path.absolute(), sources=sources)

    def options(self) -> dict[str, Any]:
        """How the corpus is read, for manifests; what is not said is the default."""
        known: dict[str, Any] = {
            "fields": list(self.fields),
            "docid_field": self.docid_field,
            "delimiter": self.delimiter,
        }
        others = {"title_field": self.title_field, "text_field": self.text_field}
        known |= {name: value for name, value in others.items() if value is not None}
        table = self.table.options()
        return {**known, "table": table} if table else known

    @classmethod
    def from_options(cls, path: Path, options: Mapping[str, Any]) -> "Corpus":
        """A corpus that is read as one was whose `options` are known.

        Raises:
            I3Error: as for a corpus.
        """
        return cls(
            path,
            tuple(options.get("fields") or ()),
            options.get("docid_field"),
            options.get("delimiter") or "\n",
            options.get("title_field"),
            options.get("text_field"),
            tuple(options.get("keep") or ()),
            ids=options.get("ids", True),
            table=Table.of_options(options.get("table") or {}),
        )

    @cached_property
    def _fields(self) -> PassageFields:
        return PassageFields(
            self.fields,
            self.docid_field,
            self.title_field,
            self.text_field,
            self.delimiter,
            self.keep,
            self.ids,
        )

    @cached_property
    def _read_sizes(self) -> dict[int, int]:
        """Bytes of the lines of files that must be read to know them."""
        return {
            number: sum(len(line) for _, line in json_lines(file, self._fields, self.table))
            for number, file in enumerate(self.sources)
            if self._seekable(number) is None
        }

    def _copy(self, number: int) -> Path:
        if self.stage is None:
            raise ValueError("not staged")
        return self.stage / f"{number:05}.jsonl"

    def _seekable(self, number: int) -> Path | None:
        """The file, or its copy, whose bytes are the lines; None if there is none."""
        file = self.sources[number]
        if file.seekable:
            return file.path
        return self._copy(number) if self.stage else None

    def _lines_from(self, number: int, first: int) -> Iterator[tuple[int, bytes]]:
        """Lines of a file with their offsets, from the first that begins at or after a byte."""
        path, offset = self._seekable(number), 0
        if path is None:
            for _, line in json_lines(self.sources[number], self._fields, self.table):
                if offset >= first:
                    yield offset, line
                offset += len(line)
            return
        try:
            with path.open("rb") as file:
                if first:  # a place may be inside a line: that one began before it
                    file.seek(first - 1)
                    offset = first - 1 + len(file.readline())
                for line in file:
                    yield offset, line
                    offset += len(line)
        except OSError as error:
            raise I3Error(f"{path}: cannot be read ({error.strerror or error})") from error


def collection_name(corpus: Path) -> str | None:
    """The name of a collection, from the manifest that `i3_pyserini.data` writes above its folder.

    Args:
        corpus: `FOLDER/corpus`, or a file in it, where `FOLDER` has a `manifest.json`; or `FOLDER`.

    Returns:
        The name, such as "msmarco-passage-titled"; None if there is no such manifest.
    """
    folder = corpus if corpus.is_dir() else corpus.parent
    above = folder if (folder / "corpus").is_dir() else folder.resolve().parent
    return named_collection(above)


def kept_fields(corpus: Path) -> tuple[str, ...]:
    """The metadata that a collection was imported with.

    Args:
        corpus: `FOLDER/corpus`, or a file in it; or `FOLDER`.

    Returns:
        Names of fields; none for another corpus.
    """
    folder = collection_folder(corpus)
    return () if folder is None else tuple(kept_metadata(folder))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise I3Error(f"{path}: cannot be read ({error.strerror or error})") from error
