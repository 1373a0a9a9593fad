"""Reading an index file of any type that FAISS knows."""

from pathlib import Path

import faiss

from i3_pyserini.errors import I3Error


def read_index(folder: Path) -> faiss.Index:
    """The index of a directory, mapped into memory where FAISS can do that for its type.

    Args:
        folder: a directory with `index`.

    Raises:
        I3Error: there is none, or it is damaged or of a type that this FAISS does not know.
    """
    path = folder / "index"
    if not path.is_file():
        raise I3Error(f"{folder}: no index here (no file 'index')")
    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise I3Error(
            f"{path}: FAISS {faiss.__version__} cannot read it ({reason:.120}); it was cut off, or "
            "is of a type that needs a newer FAISS"
        ) from error
