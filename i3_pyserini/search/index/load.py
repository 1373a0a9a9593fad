"""Reading an index file of any type that FAISS knows."""

from pathlib import Path

import faiss

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.index import read_manifest


def read_index(folder: Path) -> faiss.Index:
    """The index of a directory, mapped into memory rather than read where that is safe.

    FAISS can map all types, but then reads past the end of a file that was cut off. So it does
    that for files whose size is in the manifest; of others, only the lists of IVF types are mapped.

    Args:
        folder: a directory with `index`.

    Raises:
        I3Error: there is none, or it is damaged or of a type that this FAISS does not know.
    """
    path = folder / "index"
    if not path.is_file():
        raise I3Error(f"{folder}: no index here (no file 'index')")
    known = read_manifest(folder).built.bytes
    size = path.stat().st_size
    if known is not None and size != known:
        raise I3Error(
            f"{path}: cannot read it: {size:,} bytes where {known:,} are due; it was cut off or "
            "exchanged; build it again"
        )
    try:
        return faiss.read_index(
            str(path), faiss.IO_FLAG_MMAP if known is None else faiss.IO_FLAG_MMAP_IFC
        )
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise I3Error(
            f"{path}: FAISS {faiss.__version__} cannot read it ({reason:.120}); it was cut off, or "
            "is of a type that needs a newer FAISS"
        ) from error
