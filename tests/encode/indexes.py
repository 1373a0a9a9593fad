"""A corpus whose vectors the stand-in encoder makes, and indexes of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from i3_pyserini.encode.batches import Batching
from i3_pyserini.encode.runner import Encoding, run_encoding
from i3_pyserini.encode.scan import Shard
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.vector_files import Kind
from tests.encode.stand_in import LengthEncoder

PASSAGES = 60


def write_corpus(folder: Path) -> Corpus:
    """Two files; passage N has a title of N % 3 letters and a text of 1 + 7 N % 23."""
    (folder / "corpus").mkdir(parents=True)
    for name, numbers in (("a", range(25)), ("b", range(25, PASSAGES))):
        lines = [
            json.dumps({"id": f"d{n}", "title": "t" * (n % 3), "text": "x" * (1 + 7 * n % 23)})
            for n in numbers
        ]
        (folder / "corpus" / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Corpus(folder / "corpus")


def vectors_of_corpus() -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array([[1 + 7 * n % 23, n % 3] for n in range(PASSAGES)], dtype=np.float32)


def encode(
    corpus: Corpus,
    target: Path,
    kind: Kind = "faiss",
    shard: tuple[int, int] = (0, 1),
    store_dtype: str = "float32",
    encoder: LengthEncoder | None = None,
) -> Path:
    how = Encoding(Batching(store_dtype=store_dtype), Shard(*shard), part_passages=8)
    run_encoding(corpus, encoder or LengthEncoder(), IndexOutput(target, kind), how)
    return target


def edit_manifest(index: Path, **changes: Any) -> None:
    path = index / "manifest.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8"
    )


def content(folder: Path) -> dict[str, bytes]:
    """The files of an index but for its manifest."""
    return {
        path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"
    }
