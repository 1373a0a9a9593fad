import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i3_pyserini.encode.batches import Batching, token_batches
from i3_pyserini.encode.runner import Encoding, run_encoding
from i3_pyserini.encode.scan import Shard, scan
from i3_pyserini.errors import I3Error
from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.index import IndexManifest, read_manifest
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.vector_files import Kind, Shape
from tests.encode.stand_in import LengthEncoder

SMALL = Encoding(part_passages=8)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    path = tmp_path / "corpus.jsonl"
    lengths = [(7 * number) % 23 for number in range(100)]
    lines = [
        json.dumps({"id": f"d{number}", "title": "t" * (number % 3), "text": "x" * length})
        for number, length in enumerate(lengths)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Corpus(path)


def expected(start: int = 0, end: int = 100) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array([[(7 * n) % 23, n % 3] for n in range(start, end)], dtype=np.float32)


def test_index_is_in_the_order_of_the_corpus(corpus: Corpus, tmp_path: Path) -> None:
    target = tmp_path / "index"
    assert run_encoding(corpus, LengthEncoder(), IndexOutput(target), SMALL) == Shape(100, 2)
    index = faiss.read_index(str(target / "index"))
    assert (index.ntotal, index.d, index.metric_type) == (100, 2, faiss.METRIC_INNER_PRODUCT)
    np.testing.assert_array_equal(index.reconstruct_n(0, 100), expected())
    ids = (target / "docid").read_text(encoding="utf-8").splitlines()
    assert ids == [f"d{number}" for number in range(100)]
    manifest = read_manifest(target)
    assert (manifest.passages, manifest.dimension) == (100, 2)
    assert manifest.encoder == LengthEncoder().describe()
    assert manifest.corpus.sha256 == scan(corpus).sha256
    assert sorted(path.name for path in target.iterdir()) == [
        "docid",
        "hashes.npy",
        "index",
        "manifest.json",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus.jsonl", "index"]


def test_index_is_the_file_that_faiss_writes(corpus: Corpus, tmp_path: Path) -> None:
    run_encoding(corpus, LengthEncoder(), IndexOutput(tmp_path / "index"), SMALL)
    index = faiss.IndexFlatIP(2)
    index.add(expected())
    faiss.write_index(index, str(tmp_path / "by-faiss"))
    assert (tmp_path / "index" / "index").read_bytes() == (tmp_path / "by-faiss").read_bytes()


def test_jsonl_is_pyserini_s(corpus: Corpus, tmp_path: Path) -> None:
    run_encoding(corpus, LengthEncoder(), IndexOutput(tmp_path / "vectors", "jsonl"), SMALL)
    lines = (tmp_path / "vectors" / "embeddings.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[4]) == {"id": "d4", "contents": "t\nxxxxx", "vector": [5.0, 1.0]}
    assert [json.loads(line)["id"] for line in lines] == [f"d{number}" for number in range(100)]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_npy_is_numpy_s(corpus: Corpus, tmp_path: Path, dtype: str) -> None:
    how = Encoding(Batching(store_dtype=dtype), part_passages=8)
    run_encoding(corpus, LengthEncoder(), IndexOutput(tmp_path / "vectors", "npy"), how)
    array = np.load(tmp_path / "vectors" / "embeddings.npy", allow_pickle=False)
    assert array.dtype == dtype
    np.testing.assert_array_equal(array, expected())
    assert len((tmp_path / "vectors" / "docid").read_text(encoding="utf-8").splitlines()) == 100


def test_titles_can_be_left_out(corpus: Corpus, tmp_path: Path) -> None:
    how = Encoding(Batching(with_titles=False))
    run_encoding(corpus, LengthEncoder(), IndexOutput(tmp_path / "i"), how)
    index = faiss.read_index(str(tmp_path / "i" / "index"))
    assert (index.reconstruct_n(0, 100)[:, 1] == -1).all()


@pytest.mark.parametrize("number", [1, 3, 7])
def test_shards_are_the_whole(corpus: Corpus, tmp_path: Path, number: int) -> None:
    ids, vectors = [], []
    for shard in range(number):
        target = tmp_path / f"shard-{shard}"
        how = Encoding(shard=Shard(shard, number))
        run_encoding(corpus, LengthEncoder(), IndexOutput(target), how)
        ids += (target / "docid").read_text(encoding="utf-8").splitlines()
        index = faiss.read_index(str(target / "index"))
        vectors.append(index.reconstruct_n(0, index.ntotal))
    assert ids == [f"d{number}" for number in range(100)]
    np.testing.assert_array_equal(np.concatenate(vectors), expected())


def test_shard_without_a_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text(
        json.dumps({"id": "1", "text": "x" * 100}) + '\n{"id": "2", "text": ""}\n', encoding="utf-8"
    )
    with pytest.raises(I3Error, match="no passage begins in shard 1 of 4; use fewer shards"):
        run_encoding(
            Corpus(path), LengthEncoder(), IndexOutput(tmp_path / "i"), Encoding(shard=Shard(1, 4))
        )
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.jsonl"]


def test_batches_are_as_large_as_allowed_and_of_like_length() -> None:
    assert list(token_batches([3, 9, 4, 5, 2, 3], tokens=10)) == [[1], [3, 2], [0, 5, 4]]
    assert list(token_batches([3, 3, 3, 3], tokens=100, passages=3)) == [[0, 1, 2], [3]]
    assert list(token_batches([50, 2], tokens=10)) == [[0], [1]]
    assert list(token_batches([], tokens=10)) == []


def test_passages_are_batched_by_tokens(corpus: Corpus, tmp_path: Path) -> None:
    encoder = LengthEncoder()
    run_encoding(corpus, encoder, IndexOutput(tmp_path / "i"), Encoding(Batching(tokens=60)))
    assert sum(len(batch) for batch in encoder.batches) == 100
    assert all(len(batch) * max(batch) <= 60 for batch in encoder.batches)
    assert max(len(batch) for batch in encoder.batches) > 10


def test_vector_that_is_not_finite_is_named(corpus: Corpus, tmp_path: Path) -> None:
    bad = LengthEncoder(bad="x" * 5)
    with pytest.raises(I3Error, match="passage 'd4': its vector is not finite"):
        run_encoding(corpus, bad, IndexOutput(tmp_path / "index"))
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.jsonl"]


def test_vector_too_large_for_fp16_is_named(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(
        json.dumps({"id": "long", "text": "x" * 70_000}) + "\n", encoding="utf-8"
    )
    how = Encoding(Batching(store_dtype="float16"))
    with pytest.raises(I3Error, match=r"passage 'long': its vector is not finite; .* fp32"):
        run_encoding(
            Corpus(tmp_path / "corpus.jsonl"), LengthEncoder(), IndexOutput(tmp_path / "index"), how
        )


@pytest.mark.parametrize("kind", ["faiss", "jsonl", "npy"])
def test_failure_while_finishing_can_be_taken_up(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    def disk_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    output = IndexOutput(tmp_path / "index", kind)
    with monkeypatch.context() as patch:
        patch.setattr("i3_pyserini.formats.index_output.write_files", disk_full)
        with pytest.raises(I3Error, match=r"index: cannot be written \(No space left on device\)"):
            run_encoding(corpus, LengthEncoder(), output, SMALL)
    assert not (tmp_path / "index").exists()
    encoder = LengthEncoder()
    run_encoding(corpus, encoder, output, SMALL)
    assert encoder.batches == []
    assert read_manifest(tmp_path / "index").passages == 100


def test_another_index_is_kept_unless_told(corpus: Corpus, tmp_path: Path) -> None:
    target = tmp_path / "index"
    run_encoding(corpus, LengthEncoder(), IndexOutput(target))
    with pytest.raises(I3Error, match="exists and is not empty"):
        IndexOutput(target)
    run_encoding(corpus, LengthEncoder(), IndexOutput(target, "jsonl", overwrite=True))
    assert sorted(path.name for path in target.iterdir()) == [
        "embeddings.jsonl",
        "hashes.npy",
        "manifest.json",
    ]
    (target / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(I3Error, match=r"contains other files \(notes.txt\)"):
        IndexOutput(target, overwrite=True)
    with pytest.raises(I3Error, match="is a file"):
        IndexOutput(target / "manifest.json")


def test_damaged_manifest(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) == IndexManifest()
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(I3Error, match=r"manifest\.json: cannot be read"):
        read_manifest(tmp_path)
