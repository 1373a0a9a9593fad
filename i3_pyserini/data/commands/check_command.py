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
    from i3_pyserini.data.get import never_had, unneeded
    from i3_pyserini.data.sources.folders import LayoutFolder
    from i3_pyserini.formats.folder_manifest import Manifest
    from i3_pyserini.formats.records import MANIFEST

    has_corpus = (args.folder / "corpus").is_dir()
    if (args.folder / MANIFEST).exists() or not has_corpus:
        manifest = Manifest.load(args.folder)
        done_with = unneeded(manifest)
        wrong = 0
        for name, state in manifest.check():
            if state == "missing" and name in done_with:
                state = "removed (all that is made of it is here)"  # noqa: PLW2901
            elif state != "ok":
                wrong += 1
            print(f"{name}: {state}")
        for name in never_had(manifest):
            print(f"{name}: not had yet; `get` brings it")
        if wrong:
            raise I3Error(
                f"{args.folder}: {wrong} file(s) are missing or not as recorded; remove those that "
                "changed, and run `get` or `import` again"
            )
    if has_corpus:
        print(f"{args.folder}: {check_collection(LayoutFolder(args.folder))}")
