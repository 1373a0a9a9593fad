"""Trains an index, and turns hundreds of FAISS warnings into one note."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from i3_pyserini.errors import I3Error, note
from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.hits import Scores

FEW = re.compile(r"WARNING clustering \d+ points to \d+ centroids: .*at least (\d+) training")


def train(index: faiss.Index, vectors: Scores, factory: str) -> None:
    """Trains an index. Prints a note if FAISS recommends more vectors.

    Args:
        index: an untrained index.
        vectors: float32 [N, H].
        factory: name of the index in messages.

    Raises:
        I3Error: there are too few vectors.
    """
    try:
        with _warnings() as said:
            index.train(vectors)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise I3Error(
            f"type {factory}: cannot be trained with {len(vectors):,} vectors ({reason:.160}); "
            "use a smaller type, or flat"
        ) from error
    wanted = [int(found[1]) for line in said if (found := FEW.search(line))]
    for line in said:
        if not FEW.search(line):
            print(line, file=sys.stderr)
    if wanted:
        note(
            f"type {factory} was trained with {len(vectors):,} vectors, but FAISS recommends at "
            f"least {max(wanted):,}; recall will be lower: use flat, which is exact and fast for "
            "so few passages"
        )


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Captures the lines that C++ code writes to standard error in the block."""
    said: list[str] = []
    try:
        before = os.dup(2)
    except OSError:  # no standard error
        yield said
        return
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as file:
        sys.stderr.flush()
        os.dup2(file.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(before, 2)
            os.close(before)
            file.seek(0)
            said += file.read().splitlines()
