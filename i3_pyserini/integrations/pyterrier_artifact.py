"""Tells PyTerrier which folders are our indexes; an entry point, which loads nothing else."""

from collections.abc import Sequence
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.index import IndexManifest
from i3_pyserini.formats.records import MANIFEST
from i3_pyserini.formats.vector_files import FILES

TYPE, FORMAT = "dense_index", "i3"


def describe_folder(path: str, names: Sequence[str]) -> dict[str, str] | None:
    """PyTerrier's metadata of an artifact that has none of its own.

    Args:
        path: the folder.
        names: of what is in it.

    Returns:
        Type and format of an index for search; None for other folders.
    """
    if not {MANIFEST, *FILES["faiss"]} <= set(names):
        return None
    try:
        manifest = IndexManifest.read(Path(path))
    except I3Error:  # another program's manifest.json
        return None
    if manifest is None or manifest.version is None:
        return None
    return {"type": TYPE, "format": FORMAT}
