import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from i3_pyserini.encode.corpus import Corpus
from i3_pyserini.encode.runner import Encoding, Shard, encode_corpus
from i3_pyserini.encode.store import FaissStore, JsonlStore, Store, read_manifest
from i3_pyserini.errors import I3Error


class LengthEncoder:
    """A stand-in: the vector says how long title and text are."""

    def __init__(self, bad: str | None = None) -> None:
        self.bad = bad
        self.batches: list[int] = []

    def encode(
        self, texts: Sequence[str], titles: Sequence[str | None] | None = None
    ) -> np.ndarray[Any, np.dtype[np.float32]]:
        self.batches.append(len(texts))
        rows = [
            [len(text), -1.0 if titles is None else len(titles[i] or "")]
            for i, text in enumerate(texts)
        ]
        vectors = np.array(rows, dtype=np.float32)
        for row, text in enumerate(texts):
            if text == self.bad:
                vectors[row] = np.nan
        return vectors

    def describe(self) -> dict[str, Any]:
        return {"class": "test", "fingerprint": "f"}


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    path = tmp_path / "corpus.jsonl"
    lengths = [(7 * number) % 23 for number in range(100)]
    lines = [
        json.dumps({"id": f"d{number}", "title": "t" * (number % 3), "text": "x" * length})
        for number, length in enumerate(lengths)
    ]
    path.write_text("\n".join(lines) + "\n")
    return Corpus(path)


def expected(start: int = 0, end: int = 100) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array([[(7 * n) % 23, n % 3] for n in range(start, end)], dtype=np.float32)


def test_index_is_in_the_order_of_the_corpus(corpus: Corpus, tmp_path: Path) -> None:
    target = tmp_path / "index"
    count = encode_corpus(corpus, LengthEncoder(), FaissStore(target), Encoding(batch_size=2))
    assert count == 100
    index = faiss.read_index(str(target / "index"))
    assert (index.ntotal, index.d, index.metric_type) == (100, 2, faiss.METRIC_INNER_PRODUCT)
    np.testing.assert_array_equal(index.reconstruct_n(0, 100), expected())
    ids = (target / "docid").read_text().splitlines()
    assert ids == [f"d{number}" for number in range(100)]
    manifest = read_manifest(target)
    assert (manifest["passages"], manifest["dimension"]) == (100, 2)
    assert manifest["model"] == {"class": "test", "fingerprint": "f"}
    assert manifest["corpus"]["sha256"] == corpus.check().sha256
    assert sorted(path.name for path in target.iterdir()) == ["docid", "index", "manifest.json"]


def test_jsonl_is_pyserini_s(corpus: Corpus, tmp_path: Path) -> None:
    encode_corpus(corpus, LengthEncoder(), JsonlStore(tmp_path / "vectors"))
    lines = (tmp_path / "vectors" / "embeddings.jsonl").read_text().splitlines()
    assert json.loads(lines[4]) == {"id": "d4", "contents": "t\nxxxxx", "vector": [5.0, 1.0]}
    assert len(lines) == 100


def test_titles_can_be_left_out(corpus: Corpus, tmp_path: Path) -> None:
    encode_corpus(corpus, LengthEncoder(), FaissStore(tmp_path / "i"), Encoding(with_titles=False))
    index = faiss.read_index(str(tmp_path / "i" / "index"))
    assert (index.reconstruct_n(0, 100)[:, 1] == -1).all()


@pytest.mark.parametrize("number", [1, 3, 7])
def test_shards_are_the_whole(corpus: Corpus, tmp_path: Path, number: int) -> None:
    ids, vectors = [], []
    for shard in range(number):
        target = tmp_path / f"shard-{shard}"
        encode_corpus(
            corpus, LengthEncoder(), FaissStore(target), Encoding(shard=Shard(shard, number))
        )
        ids += (target / "docid").read_text().splitlines()
        index = faiss.read_index(str(target / "index"))
        vectors.append(index.reconstruct_n(0, index.ntotal))
    assert ids == [f"d{number}" for number in range(100)]
    np.testing.assert_array_equal(np.concatenate(vectors), expected())


def test_empty_shard_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    how = Encoding(shard=Shard(0, 101))
    with pytest.raises(I3Error, match="shard 0 of 101 is empty"):
        encode_corpus(corpus, LengthEncoder(), FaissStore(tmp_path / "index"), how)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.jsonl"]


def test_batches_are_full_and_the_corpus_is_not_read_ahead(corpus: Corpus, tmp_path: Path) -> None:
    encoder = LengthEncoder()
    encode_corpus(corpus, encoder, FaissStore(tmp_path / "i"), Encoding(batch_size=30))
    assert sorted(encoder.batches) == [10, 30, 30, 30]


def test_vector_that_is_not_finite_is_named(corpus: Corpus, tmp_path: Path) -> None:
    bad = LengthEncoder(bad="x" * 5)
    with pytest.raises(I3Error, match="passage 'd4': its vector is not finite"):
        encode_corpus(corpus, bad, FaissStore(tmp_path / "index"))
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.jsonl"]


@pytest.mark.parametrize("kind", [FaissStore, JsonlStore])
def test_nothing_is_left_of_a_failure(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Store]
) -> None:
    def disk_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kind, "_write", disk_full)
    with pytest.raises(I3Error, match=r"index: cannot be written \(No space left on device\)"):
        encode_corpus(corpus, LengthEncoder(), kind(tmp_path / "index"))
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.jsonl"]


def test_another_index_is_kept_unless_told(corpus: Corpus, tmp_path: Path) -> None:
    target = tmp_path / "index"
    encode_corpus(corpus, LengthEncoder(), FaissStore(target))
    with pytest.raises(I3Error, match="exists and is not empty"):
        FaissStore(target)
    encode_corpus(corpus, LengthEncoder(), JsonlStore(target, overwrite=True))
    assert sorted(path.name for path in target.iterdir()) == ["embeddings.jsonl", "manifest.json"]
    (target / "notes.txt").write_text("mine")
    with pytest.raises(I3Error, match=r"has other files than an index's \(notes.txt\)"):
        FaissStore(target, overwrite=True)
    with pytest.raises(I3Error, match="is a file"):
        FaissStore(target / "manifest.json")


def test_damaged_manifest(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) == {}
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(I3Error, match=r"manifest\.json: cannot be read"):
        read_manifest(tmp_path)
