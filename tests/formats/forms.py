"""One corpus in every form: format, compression, name of the id's field, header."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tests.formats.damage import compressed

PASSAGES = [
    ("d1", "Eggs, boiled", 'Boil "hard"; 10 minutes'),
    ("007", None, "naïve 漢字 \u2028 text"),
    ("a#b%c", "T", "-"),
]
SUFFIXES = {"": "", "gzip": ".gz", "zstd": ".zst"}
# The columns of each table without a header.
HEADERLESS = ("id", "title", "text")


@dataclass(frozen=True)
class Form:
    """How a corpus is written.

    Attributes:
        suffix: of the file's name, before that of its compression.
        columns: names for id, title and text in the order of the columns; none for no header.
        compression: "", "gzip" or "zstd".
        named: whether the file's name says that it is compressed.
        title_last: whether the columns are id, text, title, as DPR has them.
    """

    suffix: str
    names: tuple[str, str, str] = HEADERLESS
    header: bool = True
    title_last: bool = False
    compression: str = ""
    named: bool = True

    def __str__(self) -> str:
        order = "-title-last" if self.title_last else ""
        header = "" if self.header else "-headerless"
        how = f"-{self.compression}{'' if self.named else '-unnamed'}" if self.compression else ""
        return f"{self.suffix[1:]}-{self.names[0]}{order}{header}{how}"

    def write(self, folder: Path, stem: str = "corpus") -> Path:
        """Writes the passages to a file in a folder."""
        suffix = SUFFIXES[self.compression] if self.named else ""
        path = folder / f"{stem}{self.suffix}{suffix}"
        path.write_bytes(compressed(self._content(), self.compression))
        return path

    def _rows(self) -> list[dict[str, str | None]]:
        order = (0, 2, 1) if self.title_last else (0, 1, 2)
        return [{self.names[n]: passage[n] for n in order} for passage in PASSAGES]

    def _content(self) -> bytes:
        kind, rows = self.suffix.lower(), self._rows()
        if kind in (".jsonl", ".json", ".ndjson"):
            return "".join(json.dumps(row) + "\n" for row in rows).encode()
        if kind == ".parquet":
            target = io.BytesIO()
            pl.DataFrame([{**row, "vector": [0.5]} for row in rows]).write_parquet(target)
            return target.getvalue()
        cells = [list(row) for row in rows[:1] if self.header]
        cells += [[value or "" for value in row.values()] for row in rows]
        if kind == ".csv":
            text = io.StringIO()
            csv.writer(text).writerows(cells)
            return text.getvalue().encode()
        return "".join("\t".join(line) + "\n" for line in cells).encode()


def _forms() -> Iterator[Form]:
    """Every format with every compression, and every way to name or leave out the columns."""
    for suffix in (".jsonl", ".JSON", ".ndjson", ".csv", ".tsv", ".parquet"):
        for compression in SUFFIXES:
            yield Form(suffix, compression=compression)
        yield Form(suffix, compression="gzip", named=False)
        yield Form(suffix, title_last=True)
    for names in (
        ("_id", "title", "text"),
        ("pid", "title", "passage"),
        ("DocID", "Title", "TEXT"),
    ):
        for suffix in (".jsonl", ".csv", ".tsv", ".parquet"):
            yield Form(suffix, names)
    for compression in SUFFIXES:
        yield Form(".tsv", header=False, compression=compression)
    yield Form(".txt", header=False)


FORMS = list(_forms())
