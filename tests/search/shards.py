"""Shards of an encoding: as encoded, and with vectors of whole numbers, which score exactly."""

import shutil
from pathlib import Path

import numpy as np

from i3_pyserini.encode.merge import merge
from i3_pyserini.encode.runner import Encoding, run_encoding
from i3_pyserini.encode.scan import Shard
from i3_pyserini.encode.spec import EncoderSpec
from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.encoded_queries import QUERIES, queries_as_bytes
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.vector_files import Shape, open_index, write_files

NUMBER = 3
OWN = "d0#1"  # a query with the id of a passage
WINDOWS = 4  # of a document


def make_shards(place: Path, folder: Path) -> None:
    """Encodes `SHARD-0` to `SHARD-2`, and merges them as `merged`."""
    paths = [folder / f"SHARD-{number}" for number in range(NUMBER)]
    for number, path in enumerate(paths):
        run_encoding(
            Corpus(place / "corpus.jsonl"),
            EncoderSpec(str(place / "model"), "i3"),
            IndexOutput(path),
            Encoding(shard=Shard(number, NUMBER)),
        )
    merge(paths, folder / "merged")


class Tied:
    """Shards with few different scores, so that most hits are tied.

    The ids are those of windows. One of the queries scores all passages alike.

    Args:
        shards: a folder of `make_shards`.
        folder: where to write the same, `topics.tsv` and encoded `queries`.
    """

    def __init__(self, shards: Path, folder: Path) -> None:
        self.folder, self.topics, self.queries = folder, folder / "topics.tsv", folder / "queries"
        random, vectors = np.random.default_rng(2), []
        self._ids: list[str] = []
        for number in range(NUMBER):
            path = folder / f"SHARD-{number}"
            shutil.copytree(shards / path.name, path)
            shape = Shape(*open_index(path / "index").shape)
            rows = np.zeros((shape.passages, shape.dimension), dtype=np.float32)
            rows[:, 0] = random.integers(0, 2, shape.passages)
            rows[:, 1] = random.integers(-3, 4, shape.passages)
            first = len(self._ids)
            ids = [f"d{n // WINDOWS}#{n % WINDOWS}" for n in range(first, first + shape.passages)]
            assert len(Docids.read(path / "docid")) == len(ids)
            write_files("faiss", path, [Block(ids, rows)], shape)
            vectors.append(rows)
            self._ids += ids
        merge([folder / f"SHARD-{number}" for number in range(NUMBER)], folder / "merged")
        topics = {"q0": "one", "q1": "other", "q2": "none", OWN: "both"}
        asked = np.zeros((len(topics), vectors[0].shape[1]), dtype=np.float32)
        asked[0, 0], asked[1, 0], asked[3, :2] = 1, -1, (4, 1)
        self.queries.mkdir()
        (self.queries / QUERIES).write_bytes(queries_as_bytes(topics, asked))
        lines = "".join(f"{qid}\t{text}\n" for qid, text in topics.items())
        self.topics.write_text(lines, encoding="utf-8")
        self._scores = dict(zip(topics, (asked @ np.concatenate(vectors).T).tolist(), strict=True))

    def expected(self, k: int) -> list[tuple[str, str]]:
        """The first k hits of each query in trec_eval's order."""
        found = []
        for qid, scores in self._scores.items():
            ranked = sorted(zip(scores, self._ids, strict=True), reverse=True)
            found += [(qid, docid) for _, docid in ranked[:k]]
        return found


def hits_of(run: Path) -> list[tuple[str, str]]:
    """Query and passage of each line of a run."""
    lines = run.read_text(encoding="utf-8").splitlines()
    return [(line.split()[0], line.split()[2]) for line in lines]
