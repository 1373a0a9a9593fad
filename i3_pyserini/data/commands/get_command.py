"""`python -m i3_pyserini.data get`."""

import argparse
from pathlib import Path

from i3_pyserini.data.catalog import CATALOG, find_dataset


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("name", help="a data set, such as msmarco-passage (see `data list`)")
    parser.add_argument("--output", type=Path, help="folder (default data/NAME)")
    parser.add_argument("--only", nargs="+", default=[], metavar="PART", help="parts of it")
    parser.add_argument("--catalog", type=Path, default=CATALOG, help="another catalogue")


def run(args: argparse.Namespace) -> None:
    """Shows the terms of use and gets the data set."""
    dataset = find_dataset(args.name, args.catalog)
    dataset.choose(args.only)  # a mistyped part is said before anything else
    print(f"{dataset.name}: {dataset.terms}", flush=True)
    from i3_pyserini.data.get import get_dataset

    folder = args.output or Path("data") / dataset.name
    manifest = get_dataset(dataset, folder, args.only)
    size = sum(record.size for record in manifest.files.values())
    print(f"{folder}: complete, {len(manifest.files)} files, {size / 1e9:.1f} GB")
