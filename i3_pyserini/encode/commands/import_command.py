"""`python -m i3_pyserini.encode import`."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "vectors",
        type=Path,
        help="a .npy file [passages, dimensions], JSON lines with id and vector (a file or a "
        "folder), or a folder {index, docid} of pyserini.encode",
    )
    parser.add_argument("--ids", type=Path, help="one id a line, for a .npy file")
    parser.add_argument("--output", type=Path, required=True, help="the directory to write")
    kind = parser.add_mutually_exclusive_group()
    for name, what in (
        ("faiss", "{index, docid} for pyserini.search.faiss (default)"),
        ("npy", "embeddings.npy and docid"),
        ("jsonl", "JSON lines for Anserini"),
    ):
        kind.add_argument(f"--to-{name}", dest="kind", action="store_const", const=name, help=what)
    parser.add_argument("--name", help="the model that made them, for the manifest")
    parser.add_argument("--overwrite", action="store_true")


def run(args: argparse.Namespace) -> None:
    """Imports, and says what was written."""
    from i3_pyserini.encode.own_vectors import find_vectors, import_vectors
    from i3_pyserini.formats.index_output import IndexOutput

    output = IndexOutput(args.output, args.kind or "faiss", args.overwrite)
    shape = import_vectors(find_vectors(args.vectors, args.ids), output, args.name)
    print(f"wrote {args.output}: {shape.passages:,} vectors of {shape.dimension} dimensions")
