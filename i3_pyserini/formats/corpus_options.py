"""The options of commands that read passages: names of fields, and how a table is read."""

import argparse
import codecs
from typing import Any

from i3_pyserini.formats.tables import Table

FIELDS = ("docid_field", "title_field", "text_field")


def add_corpus_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--docid-field`, `--title-field`, `--text-field` and those of `add_table_options`."""
    group = parser.add_argument_group("the corpus's fields, if they have unusual names")
    group.add_argument("--docid-field", metavar="NAME", help="default id, _id, pid, docid, …")
    group.add_argument("--title-field", metavar="NAME", help="default title")
    group.add_argument("--text-field", metavar="NAME", help="default text, contents, passage, …")
    add_table_options(parser)


def add_table_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--encoding`, `--column-delimiter` and `--no-header`."""
    group = parser.add_argument_group("a corpus in CSV or TSV")
    group.add_argument("--encoding", default="utf-8", metavar="NAME", help="such as cp1252")
    group.add_argument(
        "--column-delimiter",
        metavar="CHARACTER",
        help="such as ';' (default: a comma in .csv, a tab in .tsv and .txt)",
    )
    group.add_argument(
        "--no-header",
        action="store_true",
        help="the first row is a passage: id, title and text, or id and text",
    )


def corpus_options(args: argparse.Namespace) -> dict[str, Any]:
    """What the options of `add_corpus_options` say, for `Corpus.from_options`.

    Raises:
        I3Error: there is no such encoding, or the delimiter is not one character.
    """
    fields = {name: getattr(args, name) for name in FIELDS if getattr(args, name) is not None}
    table = table_of(args).options()
    return {**fields, "table": table} if table else fields


def table_of(args: argparse.Namespace) -> Table:
    """What the options of `add_table_options` say.

    Raises:
        I3Error: there is no such encoding, or the delimiter is not one character.
    """
    delimiter = args.column_delimiter
    if delimiter is not None and delimiter.startswith("\\"):
        delimiter = codecs.decode(delimiter, "unicode_escape")
    return Table(delimiter, args.encoding, False if args.no_header else None)
