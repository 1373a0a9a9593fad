import json
from pathlib import Path

import numpy as np
import pytest

from i3_pyserini.encode.batches import Batching
from i3_pyserini.encode.merge import merge
from i3_pyserini.encode.runner import Encoding, run_encoding
from i3_pyserini.encode.scan import Shard
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.content_hashes import HASHES, content_hash, read_hashes
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.vector_files import Kind
from tests.encode.stand_in import LengthEncoder


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    path = tmp_path / "corpus.jsonl"
    records = [{"id": f"d{n}", "title": "t" * (n % 3), "text": f"é{n}"} for n in range(30)]
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return Corpus(path)


def test_hash_is_of_what_enters_the_model() -> None:
    first = content_hash(Passage("1", "a", "b c"))
    assert len(first) == 16
    assert first == content_hash(Passage("2", "a", "b c", {"price": 3}, "other contents"))
    assert first != content_hash(Passage("1", "a b", "c"))
    assert first != content_hash(Passage("1", "a", "b d"))
    untitled = content_hash(Passage("1", "a", "b c"), with_titles=False)
    assert untitled == content_hash(Passage("1", None, "b c"))


@pytest.mark.parametrize("kind", ["faiss", "npy", "jsonl"])
@pytest.mark.parametrize("titles", [True, False])
def test_every_encoding_has_its_hashes(
    corpus: Corpus, tmp_path: Path, kind: Kind, titles: bool
) -> None:
    how = Encoding(Batching(with_titles=titles), part_passages=8)
    run_encoding(corpus, LengthEncoder(), IndexOutput(tmp_path / "index", kind), how)
    found = read_hashes(tmp_path / "index", 30)
    assert found is not None
    assert [row.tobytes() for row in found] == [content_hash(one, titles) for one in corpus]


def test_merged_shards_have_the_hashes_of_the_whole(
    corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_encoding(corpus, LengthEncoder(), IndexOutput(tmp_path / "whole"))
    shards = [tmp_path / f"shard-{number}" for number in range(3)]
    for number, shard in enumerate(shards):
        run_encoding(corpus, LengthEncoder(), IndexOutput(shard), Encoding(shard=Shard(number, 3)))
    merge(shards, tmp_path / "merged")
    assert (tmp_path / "merged" / HASHES).read_bytes() == (tmp_path / "whole" / HASHES).read_bytes()
    (shards[1] / HASHES).unlink()  # as of an earlier version
    merge(shards, tmp_path / "older")
    assert not (tmp_path / "older" / HASHES).exists()
    assert f"{shards[1]}: has no content hashes" in capsys.readouterr().err


def test_damaged_hashes_are_refused(tmp_path: Path) -> None:
    assert read_hashes(tmp_path, 3) is None
    np.save(tmp_path / HASHES, np.zeros((2, 16), dtype=np.uint8))
    with pytest.raises(I3Error, match=HASHES):
        read_hashes(tmp_path, 3)
    (tmp_path / HASHES).write_bytes(b"\x93NUMPY")
    with pytest.raises(I3Error, match="remove it"):
        read_hashes(tmp_path, 3)
