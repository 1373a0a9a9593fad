"""`python -m i3_pyserini.data import`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.corpus_options import add_table_options, table_of

if TYPE_CHECKING:
    from i3_pyserini.data.sources.base import Source

HUB = "hf:"
FIELDS = ("id", "title", "text")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "source",
        help="a BEIR folder, a folder in our layout, a corpus file (JSONL, CSV, TSV or Parquet, "
        "also gzip or zstd), an ir_datasets id, or hf:NAME for a Hugging Face dataset",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder")
    parser.add_argument("--name", help="the collection's name in manifests and model cards")
    parser.add_argument(
        "--topics", nargs="+", default=[], metavar="SPLIT=FILE", help="with a corpus file"
    )
    parser.add_argument(
        "--qrels", nargs="+", default=[], metavar="SPLIT=FILE", help="with a corpus file"
    )
    parser.add_argument(
        "--fields", nargs="+", default=[], metavar="id=NAME", help="its fields: id, title, text"
    )
    parser.add_argument(
        "--drop-unknown",
        action="store_true",
        help="leave out judgements of absent passages and queries, and count them",
    )
    parser.add_argument(
        "--duplicates",
        choices=("refuse", "max"),
        default="refuse",
        help="of a passage that is judged twice for a query with different levels: refuse the "
        "judgements (default), or take the highest",
    )
    parser.add_argument("--overwrite", action="store_true")
    add_table_options(parser)


def run(args: argparse.Namespace) -> None:
    """Imports a collection and says what it holds."""
    from i3_pyserini.data.collection import write_collection

    source = _source(args)
    source.name, source.duplicates = args.name or source.name, args.duplicates
    findings = write_collection(source, args.output, args.overwrite, args.drop_unknown)
    print(f"wrote {args.output}: {findings}")


def _source(args: argparse.Namespace) -> "Source":
    from i3_pyserini.data.sources.folders import BeirFolder, LayoutFolder, PlainFiles
    from i3_pyserini.data.sources.named import HubDataset, IrDataset

    path, files = Path(args.source), (args.topics or args.qrels or args.fields)
    if path.is_file():
        fields = _pairs("--fields", args.fields)
        if unknown := [name for name in fields if name not in FIELDS]:
            raise I3Error(f"--fields {unknown[0]}=…: a field is one of {', '.join(FIELDS)}")
        topics, qrels = _pairs("--topics", args.topics), _pairs("--qrels", args.qrels)
        return PlainFiles(path, _paths(topics), _paths(qrels), fields, table_of(args))
    if files:
        raise I3Error("--topics, --qrels and --fields are for a corpus in a file")
    if args.source.startswith(HUB):
        return HubDataset(args.source.removeprefix(HUB))
    if (path / "corpus").is_dir():
        return LayoutFolder(path)
    if path.is_dir():
        return BeirFolder(path)
    return IrDataset(args.source)


def _pairs(option: str, words: list[str]) -> dict[str, str]:
    pairs = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals and value):
            raise I3Error(f"{option} {word}: expected NAME=VALUE, such as train=FILE")
        pairs[name] = value
    return pairs


def _paths(pairs: dict[str, str]) -> dict[str, Path]:
    return {name: Path(value) for name, value in pairs.items()}
