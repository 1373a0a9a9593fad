"""`index verify`: files, ids, vectors and a collection against one another."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i3_pyserini.encode.batches import Batching
from i3_pyserini.encode.merge import merge
from i3_pyserini.encode.reference import Flags, Reference, reference_of
from i3_pyserini.encode.runner import Encoding, run_encoding
from i3_pyserini.encode.scan import Shard
from i3_pyserini.encode.verify import look_through, spread, verify
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.index import EncoderRecord, IndexManifest, read_manifest
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.vector_files import Kind, Shape
from tests.conftest import numbers
from tests.encode.indexes import (
    PASSAGES,
    content,
    edit_manifest,
    encode,
    vectors_of_corpus,
    write_corpus,
)
from tests.encode.stand_in import LengthEncoder

pytestmark = pytest.mark.usefixtures("small_blocks")


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return write_corpus(tmp_path)


def check(index: Path, corpus: Corpus | None = None, **more: Any) -> list[str]:
    reference = Reference(corpus, source=LengthEncoder())
    return list(verify(index, replace(reference, **more)))


def set_row(index: Path, row: int, vector: Any) -> None:
    """Changes a vector in a FAISS index of two dimensions, whose manifest has no hashes."""
    edit_manifest(index, sha256=None)
    with (index / "index").open("r+b") as file:
        file.seek(45 + row * 8)
        file.write(np.array(vector, dtype="<f4").tobytes())


@pytest.mark.parametrize("kind", ["faiss", "jsonl", "npy"])
def test_a_sound_index_passes(corpus: Corpus, tmp_path: Path, kind: Kind) -> None:
    found = check(encode(corpus, tmp_path / "index", kind), corpus)
    said = {line.split()[0]: line for line in found}
    assert list(said) == [
        "files",
        "model",
        "ids",
        "vectors",
        "bytes",
        "collection",
        "sample",
    ]
    assert numbers(said["files"]) == ["60", "2"] and f"({kind})" in said["files"]
    lengths = np.linalg.norm(vectors_of_corpus(), axis=1)
    summary = ["1", f"{lengths.max():.4g}", f"{lengths.mean():.4g}", "0", "0"]
    assert numbers(said["vectors"]) == summary  # least, most, mean; none is 0
    assert numbers(said["ids"]) == numbers(said["collection"]) == ["60"]
    assert numbers(said["sample"]) == ["60", "1.000000", "1.000000"]


@pytest.mark.parametrize("kind", ["faiss", "jsonl"])
def test_shards_and_what_is_merged_of_them_pass(corpus: Corpus, tmp_path: Path, kind: Kind) -> None:
    shards = [encode(corpus, tmp_path / f"s{one}", kind, (one, 3)) for one in range(3)]
    for one, shard in enumerate(shards):
        assert len(check(shard, corpus, shard=Shard(one, 3))) == 7
        assert reference_of(shard, Flags(corpus.path, passages=0)).shard == Shard(one, 3)
    with pytest.raises(I3Error, match=r"a\.jsonl, line 1: id 'd0', but 'd\d+' in .*, line 1"):
        check(shards[1], corpus)
    merge(shards, tmp_path / "merged")
    assert len(check(tmp_path / "merged", corpus)) == 7


def test_without_a_collection_the_index_alone_is_looked_at(corpus: Corpus, tmp_path: Path) -> None:
    index = encode(corpus, tmp_path / "index")
    assert len(check(index)) == 5
    (index / "manifest.json").unlink()
    found = check(index, source=None)
    assert found[0].endswith("without a manifest.json")
    assert found[1] == "model       no name, not compared (give the model with --model)"


@pytest.mark.parametrize(
    ("name", "value"), [("passages", 61), ("dimension", 3), ("output", "npy"), ("passages", None)]
)
def test_a_manifest_of_other_numbers_is_named(
    corpus: Corpus, tmp_path: Path, name: str, value: Any
) -> None:
    index = encode(corpus, tmp_path / "index")
    found = read_manifest(index).to_json()[name]
    edit_manifest(index, **{name: value})
    with pytest.raises(I3Error, match=rf"index: {name} {found}, but {value} in its manifest\.json"):
        check(index)


def test_damaged_files_are_named(corpus: Corpus, tmp_path: Path) -> None:
    def cut(index: Path, name: str, size: int) -> Path:
        path = index / name
        path.write_bytes(path.read_bytes()[:-size])
        return index

    def index(name: str, kind: Kind = "faiss") -> Path:
        return encode(corpus, tmp_path / name, kind)

    cases = [
        (cut(index("a"), "index", 1), "expected 525 bytes, got 524"),
        (cut(index("b"), "docid", 1), "its last line is incomplete; the file was truncated"),
        (cut(index("c"), "docid", 4), "docid: 59 ids for 60 vectors"),
        (cut(index("d", "npy"), "embeddings.npy", 1), "not a .npy file that can be memory-mapped"),
        (cut(index("e", "jsonl"), "embeddings.jsonl", 2), "line 60: not valid JSON"),
        (cut(index("f", "jsonl"), "embeddings.jsonl", 1), "its last line is incomplete"),
        (tmp_path / "nowhere", "nowhere: no vectors here"),
    ]
    twice = index("twice")
    ids = (twice / "docid").read_text(encoding="utf-8").replace("d59\n", "d7\n")
    (twice / "docid").write_text(ids, encoding="utf-8")
    cases.append((twice, "docid, line 60: id 'd7' occurs a second time"))
    more = index("more")
    (more / "docid").write_text(
        (more / "docid").read_text(encoding="utf-8") + "d60\n", encoding="utf-8"
    )
    cases.append((more, "docid: 61 ids for 60 vectors"))
    for folder, said in cases:
        with pytest.raises(I3Error) as refused:
            check(folder)
        assert said in str(refused.value)


@pytest.mark.parametrize("kind", ["faiss", "jsonl", "npy"])
def test_another_byte_is_noticed(corpus: Corpus, tmp_path: Path, kind: Kind) -> None:
    index = encode(corpus, tmp_path / "index", kind)
    known = read_manifest(index).sha256 or {}
    assert sorted([*known, "manifest.json"]) == sorted(one.name for one in index.iterdir())
    for name in known:
        path = index / name
        content = path.read_bytes()
        place = len(content) // 2
        digit = content[place : place + 1].isdigit()  # of a vector in JSON, or of an id
        other = b"%d" % ((int(content[place : place + 1]) + 1) % 10) if digit else b"\x01"
        path.write_bytes(content[:place] + other + content[place + 1 :])
        with pytest.raises(I3Error) as refused:
            check(index)
        assert str(path) in str(refused.value) or "'d" in str(refused.value)  # or a passage
        path.write_bytes(content)
    assert len(check(index)) == 5


@pytest.mark.parametrize("name", ["../outside", "/dev/zero", "missing", "chunks"])
def test_only_files_beside_a_manifest_are_read(corpus: Corpus, tmp_path: Path, name: str) -> None:
    index = encode(corpus, tmp_path / "index")
    (tmp_path / "outside").touch()
    (index / "chunks").mkdir()
    edit_manifest(index, sha256={name: "0" * 64})
    with pytest.raises(I3Error, match=f"sha256: no file '{name}' beside it"):
        check(index)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_vector_that_is_not_finite_is_named(corpus: Corpus, tmp_path: Path, value: float) -> None:
    index = encode(corpus, tmp_path / "index")
    set_row(index, 38, [1, value])
    with pytest.raises(I3Error, match=r"the vector of id 'd38' \(row 38, from 0\) is not finite"):
        check(index)


def test_lengths_of_vectors() -> None:
    vectors = np.array([[3, 4], [0, 0], [0, 1], [0, 0], [6, 8]], dtype=np.float16)
    blocks = [Block(["a", "b"], vectors[:2]), Block(["c", "d", "e"], vectors[2:])]
    lengths, kept = look_through(Path("i"), blocks, [1, 4])
    assert (lengths.least, lengths.mean, lengths.most, lengths.zeros) == (0, 16 / 5, 10, 2)
    np.testing.assert_array_equal(kept, vectors[[1, 4]])


def test_lengths_of_a_model_that_scales_vectors() -> None:
    def look(length: float) -> None:
        vectors = np.array([[0.6, 0.8], [0, length]])
        look_through(Path("i"), [Block(["a", "b"], vectors)], [], 1e-3)

    look(1.0009)
    look(0.9991)
    for length in (1.0011, 0.9989, 0):
        said = rf"id 'b' \(row 1, from 0\) has length {length:.4g}, but its model"
        with pytest.raises(I3Error, match=said):
            look(length)


def test_rows_are_spread_and_the_same_for_a_seed() -> None:
    assert spread(5, 10, seed=3) == [0, 1, 2, 3, 4]
    assert spread(5, 0, seed=3) == []
    rows = spread(1003, 10, seed=0)
    assert [row * 10 // 1003 for row in rows] == list(range(10))
    assert rows == spread(1003, 10, seed=0) != spread(1003, 10, seed=1)
    assert {row for seed in range(200) for row in spread(20, 4, seed)} == set(range(20))


def test_the_first_difference_to_the_collection_is_named(corpus: Corpus, tmp_path: Path) -> None:
    index = encode(corpus, tmp_path / "index")
    path = corpus.path / "b.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    for changed, said in (
        (lines[:-1], r"docid, line 60: id 'd59', but .*corpus ended before it"),
        ([*lines, lines[0]], r"b\.jsonl, line 36: id 'd25' is not in .*docid, which ended before"),
        ([*lines[:3], *lines[4:]], r"b\.jsonl, line 4: id 'd29', but 'd28' in .*docid, line 29"),
        ([lines[1], lines[0]], r"b\.jsonl, line 1: id 'd26', but 'd25' in .*docid, line 26"),
        ([*lines[:2], "\n", '{"text": "x"}\n'], r"b\.jsonl, line 4: no id"),
    ):
        path.write_text("".join(changed), encoding="utf-8")
        with pytest.raises(I3Error, match=said):
            check(index, corpus)
    path.write_text("\n".join(lines), encoding="utf-8")  # blank lines between change nothing
    assert len(check(index, corpus)) == 7


def test_a_vector_of_another_passage_is_named(corpus: Corpus, tmp_path: Path) -> None:
    index = encode(corpus, tmp_path / "index")
    set_row(index, 31, [0, 5])  # the passage has no title of five letters
    expected = vectors_of_corpus()[31]
    cosine = expected[1] / np.linalg.norm(expected)
    said = rf"the vector of id 'd31' .* have a cosine of {cosine:.4f}, below 0\.999"
    with pytest.raises(I3Error, match=said):
        check(index, corpus)
    seeds = [
        seed for seed in range(40) if 31 in spread(PASSAGES, 3, seed)
    ]  # only those that choose the passage see it
    assert 0 < len(seeds) < 40
    for seed in range(40):
        if seed in seeds:
            with pytest.raises(I3Error, match=said):
                check(index, corpus, passages=3, seed=seed)
        else:
            assert "3 passages encoded again" in check(index, corpus, passages=3, seed=seed)[-1]


def test_a_vector_of_another_length_is_named(corpus: Corpus, tmp_path: Path) -> None:
    index = encode(corpus, tmp_path / "index")
    expected = vectors_of_corpus()[12]
    set_row(index, 12, expected * 1.04)
    assert len(check(index, corpus)) == 6
    set_row(index, 12, expected * 1.05)
    with pytest.raises(I3Error, match=r"the vector of id 'd12' has length .* --l2-norm for one"):
        check(index, corpus)
    set_row(index, 12, [0, 0])
    with pytest.raises(I3Error, match=r"id 'd12' .* have a cosine of 0\.0000"):
        check(index, corpus)


def test_a_vector_of_zeros_can_be_right(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"id": "empty", "text": ""}\n{"id": "1", "text": "x"}\n', encoding="utf-8")
    index = encode(Corpus(path), tmp_path / "index")
    found = check(index, Corpus(path))
    assert found[3].endswith("1 of them 0")
    assert found[6].startswith("sample      2 passages encoded again, cosine 1.000000 at least")


def test_titles_are_given_to_the_encoder_as_they_were(corpus: Corpus, tmp_path: Path) -> None:
    how = Encoding(Batching(with_titles=False))
    run_encoding(corpus, LengthEncoder(), IndexOutput(tmp_path / "index"), how)
    assert len(check(tmp_path / "index", corpus, with_titles=False)) == 7
    with pytest.raises(I3Error, match="have a cosine of"):
        check(tmp_path / "index", corpus, with_titles=True)


def test_another_model_is_named(corpus: Corpus, tmp_path: Path) -> None:
    class Other(LengthEncoder):
        def __init__(self, **more: Any) -> None:
            super().__init__()
            self.more = more

        def describe(self) -> EncoderRecord:
            return replace(super().describe(), **{"name": "other", **self.more})

    index = encode(corpus, tmp_path / "index", encoder=Other(name="own"))
    with pytest.raises(I3Error, match=r"encoded by another model \(own\) than other"):
        check(index, source=Other(fingerprint="g"))
    with pytest.raises(I3Error, match="vectors of 2 dimensions, but the model's have 3"):
        check(index, source=Other(dimension=3))
    assert "no fingerprint to compare" in check(index, source=Other(fingerprint=None))[1]


def test_an_empty_index(tmp_path: Path) -> None:
    output = IndexOutput(tmp_path / "index")
    with output.work():
        output.finish([], Shape(0, 3), IndexManifest())
    with pytest.raises(I3Error, match="index: no vectors in it"):
        check(tmp_path / "index")


def test_verify_reads_only(corpus: Corpus, tmp_path: Path) -> None:
    index = encode(corpus, tmp_path / "index")
    before = content(index), (index / "manifest.json").read_bytes(), sorted(tmp_path.iterdir())
    assert check(index, corpus) == check(index, corpus)
    after = content(index), (index / "manifest.json").read_bytes(), sorted(tmp_path.iterdir())
    assert before == after
