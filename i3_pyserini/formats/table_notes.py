"""Notes on how the tables of a corpus are read, when it is opened."""

from collections.abc import Sequence
from pathlib import Path

from i3_pyserini.errors import note
from i3_pyserini.formats.corpus_files import PassageFile
from i3_pyserini.formats.passage_fields import PassageFields, listed
from i3_pyserini.formats.passage_records import header_of
from i3_pyserini.formats.tables import AS_NAMED, Table, found_delimiter


def note_reading(
    path: Path, files: Sequence[PassageFile], fields: PassageFields, table: Table
) -> None:
    """Notes recognised delimiters and headers, and options that change nothing.

    Args:
        path: the corpus.
        files: its files.
        fields: the fields that are read.
        table: how its tables are read.

    Raises:
        I3Error: a file cannot be read, or has an invalid header.
    """
    tables = [file for file in files if file.format in ("csv", "tsv")]
    if table != AS_NAMED and not tables:
        given = ", ".join(table.options())
        note(f"{path}: contains no CSV or TSV file; not used: {given}")
    if table.delimiter is None:
        csv = [file.path for file in tables if file.format == "csv"]
        found = [(one, found_delimiter(one, table.encoding)) for one in csv]
        _note([(one, f"columns are separated by {mark!r}") for one, mark in found if mark != ","])
    headers = [
        (file.path, f"line 1 is read as the header: {listed(header)}")
        for file in tables
        if file.format == "tsv" and (header := header_of(file, fields, table))
    ]
    _note(headers)


def _note(found: Sequence[tuple[Path, str]]) -> None:
    """One note for all files: what the first is read as, and how many more there are."""
    if found:
        path, what = found[0]
        others = f" (likewise {len(found) - 1} more files)" if len(found) > 1 else ""
        note(f"{path}: {what}{others}")
