"""Options for reading a corpus: field names and table formats."""

import argparse
import codecs
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from i3_pyserini.formats.tables import Table

FIELDS = ("docid_field", "title_field", "text_field")


@dataclass(frozen=True)
class CorpusOptions:
    """How to read the corpus.

    Attributes:
        docid_field: field of passage ids. Default: `id`, `_id`, `pid`, `docid`, …
        title_field: field of titles. Default: `title`.
        text_field: field of texts. Default: `text`, `contents`, `passage`, …
        encoding: encoding of a CSV or TSV file, such as cp1252.
        delimiter: delimiter of the columns of a CSV or TSV file, such as ";". Default: a tab in
            .tsv and .txt; in .csv a comma, or what the file shows.
        header: whether the first row of a CSV or TSV file contains column names; if not, it is a
            passage: id, title and text, or id and text. Default: yes in .csv; in other files if it
            contains names of an id and a text column.
    """

    docid_field: str | None = None
    title_field: str | None = None
    text_field: str | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None
    header: bool | None = None

    def reading(self) -> dict[str, Any]:
        """The values that differ from the defaults, for `Corpus.from_options`.

        Raises:
            I3Error: the encoding is unknown, or the delimiter is not one character.
        """
        fields = {name: getattr(self, name) for name in FIELDS if getattr(self, name) is not None}
        table = self.table().options()
        return {**fields, "table": table} if table else fields

    def table(self) -> Table:
        """The options of a CSV or TSV file.

        Raises:
            I3Error: the encoding is unknown, or the delimiter is not one character.
        """
        delimiter = self.delimiter
        if delimiter is not None and delimiter.startswith("\\") and len(delimiter) > 1:
            with suppress(UnicodeError):  # no escape sequence: several characters, as they are
                delimiter = codecs.decode(delimiter, "unicode_escape")
        return Table(delimiter, self.encoding, self.header)


USUAL = CorpusOptions()


def add_table_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--encoding`, `--column-delimiter` and `--no-header` to a command of Pyserini.

    There `--delimiter` is what separates fields in `contents`, so the columns' has another name.
    """
    group = parser.add_argument_group("a corpus in CSV or TSV")
    group.add_argument("--encoding", default="utf-8", metavar="NAME", help="such as cp1252")
    group.add_argument(
        "--column-delimiter",
        metavar="CHARACTER",
        help="such as ';' (default: a tab in .tsv and .txt; in .csv what the file shows)",
    )
    group.add_argument(
        "--no-header",
        action="store_true",
        help="the first row is a passage: id, title and text, or id and text",
    )


def table_of(args: argparse.Namespace) -> Table:
    """The table options given by `add_table_options`.

    Raises:
        I3Error: the encoding is unknown, or the delimiter is not one character.
    """
    header = False if args.no_header else None
    columns = args.column_delimiter
    return CorpusOptions(encoding=args.encoding, delimiter=columns, header=header).table()
