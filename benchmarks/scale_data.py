"""A collection of any size for `benchmarks.scale`: passages, vectors, topics, judgments.

    python -m benchmarks.scale_data FOLDER --shard 0 --shards 4

encodes a shard with an encoder that looks its vectors up, so that only a model's time is left out.
The vectors are real ones, and others near them, see `benchmarks.ann`.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ann import encoded_passages, more_vectors
from i3_pyserini.encode.encoder import load
from i3_pyserini.encode.runner import Encoding, run_encoding
from i3_pyserini.encode.scan import Shard
from i3_pyserini.formats.atomic import new_file
from i3_pyserini.formats.encoded_queries import save_queries
from i3_pyserini.formats.index import EncoderRecord
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.topics import read_topics
from i3_pyserini.formats.vector_files import open_index

REAL = 12_288  # passages that are encoded
WORDS = 56  # of a passage, as MS MARCO's have on average
Vectors = np.ndarray[Any, np.dtype[np.float32]]


class Stored:
    """An encoder of texts that begin with the number of their row.

    Args:
        vectors: a flat index with their vectors.
    """

    batch_tokens = 1 << 16
    at_once = 1

    def __init__(self, vectors: Path) -> None:
        self.vectors_of = open_index(vectors / "index")
        self.dimension = int(self.vectors_of.shape[1])

    def describe(self) -> EncoderRecord:
        """See `EncoderSource`."""
        return EncoderRecord(kind="stored", fingerprint="stored", dimension=self.dimension)

    def check(self, device: str | None) -> None:
        """See `EncoderSource`."""

    def load(self, device: str | None) -> "Stored":
        """See `EncoderSource`."""
        return self

    def ids(
        self, texts: Sequence[str], titles: Sequence[str | None] | None = None
    ) -> list[list[int]]:
        """See `DocumentEncoder`."""
        return [[int(text.partition(" ")[0])] for text in texts]

    def vectors(self, ids: Sequence[Sequence[int]]) -> Vectors:
        """See `DocumentEncoder`."""
        found: Vectors = self.vectors_of[np.array(ids)[:, 0]]
        return found

    def encode(self, texts: Sequence[str], titles: Sequence[str | None] | None = None) -> Vectors:
        """See `DocumentEncoder`."""
        return self.vectors(self.ids(texts, titles))


def make(folder: Path, passages: int, real: Path, topics: Path, qrels: Path, model: str) -> None:
    """Makes a collection unless it is there.

    Args:
        folder: where.
        passages: how many.
        real: a corpus whose first passages are encoded.
        topics: queries, which are encoded.
        qrels: their judgments; passages of the collection take the places of the judged ones.
        model: what encodes them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    more_vectors(encoded_passages(real, folder.parent, REAL), folder / "vectors", passages)
    if not (corpus := folder / "corpus.jsonl").exists():
        texts = [one.text for one in Corpus(real)][:REAL]
        with new_file(corpus) as file:
            for row in range(passages):
                words = " ".join(texts[row % len(texts)].split()[:WORDS])
                file.write(json.dumps({"id": f"p{row}", "text": f"{row} {words}"}) + "\n")
    asked = read_topics(str(topics))
    if not (queries := folder / "queries").exists():
        (folder / "topics.tsv").write_text(
            "".join(f"{qid}\t{text}\n" for qid, text in asked.items()), encoding="utf-8"
        )
        draw = np.random.default_rng(1)
        lines = [line.split() for line in qrels.read_text(encoding="utf-8").splitlines()]
        rows = draw.integers(passages, size=len(lines))
        judged = {f"{one[0]} 0 p{row} 1\n" for one, row in zip(lines, rows, strict=True)}
        (folder / "qrels.txt").write_text("".join(sorted(judged)), encoding="utf-8")
        save_queries(queries, asked, load(model).encode_queries(list(asked.values())))


def main() -> None:
    """Encodes a shard."""
    parser = argparse.ArgumentParser(description="Encode a shard of a made collection.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shard", type=int, required=True)
    parser.add_argument("--shards", type=int, required=True)
    args = parser.parse_args()
    run_encoding(
        Corpus(args.folder / "corpus.jsonl"),
        Stored(args.folder / "vectors"),
        IndexOutput(args.folder / f"shard-{args.shard}"),
        Encoding(shard=Shard(args.shard, args.shards)),
    )


if __name__ == "__main__":
    main()
