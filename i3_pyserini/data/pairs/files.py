"""Rows of files and Hugging Face data sets, each with its place for messages."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from i3_pyserini.data.pairs.layout import CORPUS, is_layout, layout_rows
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.corpus_files import PassageFile, bare_name, find_files
from i3_pyserini.formats.folder_manifest import declared_language
from i3_pyserini.formats.lines import read_jsonl
from i3_pyserini.formats.made import Made, made_among, made_of
from i3_pyserini.formats.parquet import read_parquet
from i3_pyserini.formats.passage_fields import shortened
from i3_pyserini.formats.tables import Table, read_rows

HUB = "hf:"
NAME = re.compile(r"[\w.-]+")  # that a source may be given
SAVED, SAVED_SPLITS = "dataset_info.json", "dataset_dict.json"  # of `save_to_disk`

Located = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class PairSource:
    """A source of rows.

    Attributes:
        name: what it is called in counts, weights and the log.
        origin: a file, a folder, or hf:NAME or hf:NAME:CONFIGURATION.
        split: the split of a Hugging Face data set, or of a collection in our layout.
        table: how CSV and TSV files are read.
    """

    name: str
    origin: str
    split: str
    table: Table

    def rows(self) -> Iterator[Located]:
        """All rows, as a stream, each with its place ("FILE, line N").

        Raises:
            I3Error: the source cannot be read, or a row is not of columns.
        """
        path = Path(self.origin)
        if self.origin.startswith(HUB):
            yield from self._numbered(self._hub())
        elif (path / SAVED).is_file() or (path / SAVED_SPLITS).is_file():
            yield from self._numbered(self._saved(path))
        elif is_layout(path):
            yield from layout_rows(path, self.split)
        else:
            for file in find_files(path):
                yield from _rows_of(file, self.table)

    @property
    def has_splits(self) -> bool:
        """Whether it has several splits, of which one is read."""
        path = Path(self.origin)
        return self.origin.startswith(HUB) or (path / SAVED_SPLITS).is_file() or is_layout(path)

    @property
    def has_tables(self) -> bool:
        """Whether it has CSV or TSV files."""
        if self.has_splits or (Path(self.origin) / SAVED).is_file():
            return False
        return any(file.format in ("csv", "tsv") for file in find_files(Path(self.origin)))

    @property
    def language(self) -> str | None:
        """The language that a folder in our layout declares; None otherwise."""
        path = Path(self.origin)
        declared = declared_language(path / CORPUS) if is_layout(path) else None
        return declared[0] if declared else None

    @property
    def made(self) -> Made | None:
        """How its queries were made; None if no manifest marks them as made."""
        path = Path(self.origin)
        if is_layout(path):
            return made_among(
                found
                for kind in ("topics", "qrels")
                for found in path.glob(f"{kind}.{self.split}.*")
            )
        return made_of(path)

    def _numbered(self, rows: Any) -> Iterator[Located]:
        try:
            for number, row in enumerate(rows, start=1):
                yield f"{self.origin}, row {number}", row
        except I3Error:
            raise
        except Exception as error:  # whatever its download or its files raise
            raise self._unreadable(error) from error

    def _hub(self) -> Any:
        import datasets  # noqa: PLC0415  (comes with pyserini, and takes a second to import)

        name, _, config = self.origin.removeprefix(HUB).partition(":")
        try:
            return datasets.load_dataset(name, config or None, split=self.split, streaming=True)
        except Exception as error:  # whatever its download raises
            raise self._unreadable(error) from error

    def _saved(self, path: Path) -> Any:
        import datasets  # noqa: PLC0415  (see above)

        try:
            found = datasets.load_from_disk(path)
        except Exception as error:  # whatever a damaged file raises
            raise self._unreadable(error) from error
        if not isinstance(found, datasets.DatasetDict):
            return found
        if self.split not in found:
            raise I3Error(f"{path}: no split {self.split!r}; it has {', '.join(found)} (--split)")
        return found[self.split]

    def _unreadable(self, error: Exception) -> I3Error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return I3Error(f"{self.origin}: cannot be read ({reason:.300})")


def sources_of(words: list[str], split: str, table: Table) -> list[PairSource]:
    """Sources that are given as NAME=SOURCE or SOURCE, which then has the name of its file.

    Raises:
        I3Error: one does not exist, or two have one name.
    """
    found: dict[str, PairSource] = {}
    for word in words:
        name, given, origin = word.partition("=")
        if not given or Path(word).exists() or not NAME.fullmatch(name):
            name, origin = _usual_name(word), word
        if not origin.startswith(HUB) and not Path(origin).exists():
            raise I3Error(f"{origin}: no such file or folder; data sets of the hub: hf:NAME")
        if name in found:
            raise I3Error(f"{origin}: source {name!r} is given twice; name one, as NAME={origin}")
        found[name] = PairSource(name, origin, split, table)
    if not found:
        raise I3Error("no sources; expected files, folders or hf:NAME")
    return list(found.values())


def _usual_name(origin: str) -> str:
    if origin.startswith(HUB):
        return "_".join(origin.removeprefix(HUB).strip("/").rsplit("/", 1)[-1].split(":"))
    return "".join(bare_name(Path(origin).resolve()).split())


def _rows_of(file: PassageFile, table: Table) -> Iterator[Located]:
    path = file.path
    if file.format == "jsonl":
        for number, record in read_jsonl(path):
            yield f"{path}, line {number}", record
    elif file.format == "parquet":
        for number, record in read_parquet(path, lambda names: names):
            yield f"{path}, row {number}", record
    else:
        yield from _table_rows(path, file.format, table)


def _table_rows(path: Path, kind: Literal["csv", "tsv"], table: Table) -> Iterator[Located]:
    rows = read_rows(path, kind, table)
    _, header = next(rows, (0, []))
    names = [name.strip() for name in header]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise I3Error(f"{path}, line 1: two columns are named {shortened(twice)}; rename one")
    for number, cells in rows:
        if len(cells) != len(names):
            raise I3Error(
                f"{path}, line {number}: {len(cells)} columns, but the header has {len(names)}"
            )
        yield f"{path}, line {number}", dict(zip(names, cells, strict=True))
