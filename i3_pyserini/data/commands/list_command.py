"""`python -m i3_pyserini.data list`."""

import argparse
from pathlib import Path

from i3_pyserini.data.catalog import CATALOG, CatalogFile, find_dataset, load_catalog


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("name", nargs="?", help="a data set, to list its files")
    parser.add_argument("--output", type=Path, help="its folder (default data/NAME)")
    parser.add_argument("--catalog", type=Path, default=CATALOG, help="another catalogue")


def run(args: argparse.Namespace) -> None:
    """Prints the data sets, or one data set's files and which of them are there."""
    if args.name is None:
        for dataset in load_catalog(args.catalog).values():
            print(f"{dataset.name}: {dataset.about}\n  {dataset.terms}")
            for group, purpose in dataset.groups.items():
                size = sum(_size(file) for file in dataset.choose([group]))
                print(f"  {group:<12} {_show(size):>9}  {purpose}")
        return
    from i3_pyserini.data.get import open_manifest

    dataset = find_dataset(args.name, args.catalog)
    folder = args.output or Path("data") / dataset.name
    manifest = open_manifest(dataset, folder)
    print(f"{dataset.name} in {folder}: {dataset.terms}\n")
    width = max(len(file.path) for file in dataset.files)
    for file in dataset.files:
        state = "there" if manifest.has(file.path) else _state(folder / file.path)
        print(
            f"{file.path:<{width}}  {_show(_size(file)):>9}  {file.group:<11}  {state:<8}  "
            f"{file.purpose} ({file.licence}; from {file.origin})"
        )


def _state(path: Path) -> str:
    if path.exists():
        return "unverified"
    return "partial" if path.with_name(f"{path.name}.part").exists() else "missing"


def _size(file: CatalogFile) -> int:
    return file.size or file.about_size or 0


def _show(size: int) -> str:
    if not size:
        return "?"
    return f"{size / 1e6:,.1f} MB"
