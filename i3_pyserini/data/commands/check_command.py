"""`python -m i3_pyserini.data check`."""

import argparse
from pathlib import Path

from i3_pyserini.errors import I3Error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "folder", type=Path, help="a folder of `get` or `import`, or any in our layout"
    )


def run(args: argparse.Namespace) -> None:
    """Verifies every recorded file, and reads the collection if there is one.

    Raises:
        I3Error: a file is missing or has changed, or a line is not as it should be.
    """
    from i3_pyserini.data.collection import check_collection
    from i3_pyserini.data.manifest import MANIFEST, Manifest
    from i3_pyserini.data.sources.folders import LayoutFolder

    has_corpus = (args.folder / "corpus").is_dir()
    if (args.folder / MANIFEST).exists() or not has_corpus:
        wrong = 0
        for name, state in Manifest.load(args.folder).check():
            print(f"{state:<10}  {name}" if state == "ok" else f"{name}: {state}")
            wrong += state != "ok"
        if wrong:
            raise I3Error(f"{args.folder}: {wrong} file(s) are missing or not as recorded")
    if has_corpus:
        print(f"{args.folder}: {check_collection(LayoutFolder(args.folder))}")
