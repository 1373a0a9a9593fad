"""Documents that are cut into windows while they are encoded."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from i3_pyserini import I3Error, encode_corpus, open_index
from i3_pyserini.data import chunk_corpus
from i3_pyserini.encode import estimate_encoding, merge_shards, verify_index
from i3_pyserini.encode.chunking import Chunker
from i3_pyserini.encode.corpus import ComputeOptions
from i3_pyserini.encode.flags import ChunkOptions
from i3_pyserini.encode.runner import Encoding, run_encoding
from i3_pyserini.encode.spec import EncoderSpec
from i3_pyserini.formats.index import read_manifest
from i3_pyserini.formats.index_directory import IndexDirectory
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.index_texts import corpus_of
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.windows import By, Windowing
from tests.conftest import WORDS, numbers
from tests.encode.stand_in import LengthEncoder

TOKENS = ChunkOptions("tokens", 12, 3)


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """Twelve documents of 0 to 44 words."""
    path = tmp_path / "docs.jsonl"
    records = [
        {"id": f"d{n}", "title": "eggs" if n % 2 else "", "text": " ".join((WORDS * 2)[: 4 * n])}
        for n in range(12)
    ]
    path.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    return path


def files(index: Path) -> dict[str, bytes]:
    """The bytes of an index and its windows, without what names the folder."""
    found = {
        str(path.relative_to(index)): path.read_bytes()
        for path in sorted(index.rglob("*"))
        if path.is_file()
    }
    found["manifest.json"] = found["manifest.json"].replace(str(index).encode(), b"INDEX")
    return found


def test_the_same_as_cutting_first(documents: Path, tiny_bert: str, tmp_path: Path) -> None:
    encode_corpus(documents, model=tiny_bert, output=tmp_path / "one", chunks=TOKENS)
    chunk_corpus(
        documents, output=tmp_path / "cut", by="tokens", size=12, overlap=3, model=tiny_bert
    )
    encode_corpus(tmp_path / "cut" / "corpus", model=tiny_bert, output=tmp_path / "two")
    (shape, one), (_, two) = (
        IndexDirectory.open(tmp_path / name).vectors() for name in ("one", "two")
    )
    assert shape.passages > 30
    for ours, theirs in zip(one, two, strict=True):
        assert ours.ids == theirs.ids
        np.testing.assert_array_equal(ours.vectors, theirs.vectors)
    first, second = (read_manifest(tmp_path / name) for name in ("one", "two"))
    assert first.corpus.chunks == second.corpus.chunks
    assert first.encoder.cut == 0
    assert first.corpus.path == str(tmp_path / "one" / "chunks" / "corpus")
    assert first.corpus.chunks is not None
    assert first.corpus.chunks.of == str(documents)


def test_texts_are_found_where_the_index_is_moved(
    documents: Path, tiny_bert: str, tmp_path: Path
) -> None:
    encode_corpus(documents, model=tiny_bert, output=tmp_path / "index", chunks=TOKENS)
    documents.unlink()
    shutil.move(tmp_path / "index", tmp_path / "moved")
    corpus = corpus_of(tmp_path / "moved")
    assert corpus is not None
    assert {passage.docid.split("#")[0] for passage in corpus} == {f"d{n}" for n in range(12)}
    hits = open_index(tmp_path / "moved").search("egg", k=12)
    assert sum(bool(hit.text) for hit in hits) == 11


def chunker(tiny_bert: str, by: By = "tokens", size: int = 12) -> Chunker:
    spec = EncoderSpec(tiny_bert, "auto")
    return Chunker(Windowing(by, size), replace(spec, settings=spec.resolved()))


def test_an_interrupted_encoding_resumes(documents: Path, tiny_bert: str, tmp_path: Path) -> None:
    cut = chunker(tiny_bert)
    how, index = Encoding(part_passages=4, chunker=cut), tmp_path / "index"
    windows = [one.text for one in _windows(cut, documents)]
    bad = LengthEncoder(windows[-1])
    with pytest.raises(I3Error, match="not finite"):
        run_encoding(Corpus(documents), bad, IndexOutput(index), how)
    folder = tmp_path / ".index.partial"
    done = len(list(folder.glob("part-*")))
    assert done > 3

    before = documents.read_text(encoding="utf-8")
    documents.write_text(before.replace("eggs", "egg"), encoding="utf-8")
    with pytest.raises(I3Error, match=r"docs\.jsonl: has changed since"):
        run_encoding(Corpus(documents), LengthEncoder(), IndexOutput(index), how)
    documents.write_text(before, encoding="utf-8")
    other = replace(how, chunker=chunker(tiny_bert, size=14))
    with pytest.raises(I3Error, match=r"chunks\.size: 12 -> 14"):
        run_encoding(Corpus(documents), LengthEncoder(), IndexOutput(index), other)

    good = LengthEncoder()
    shape = run_encoding(Corpus(documents), good, IndexOutput(index), how)
    assert shape.passages == len(windows)
    assert sum(map(len, good.batches)) == len(windows) - 4 * done
    run_encoding(Corpus(documents), LengthEncoder(), IndexOutput(tmp_path / "fresh"), how)
    assert files(index) == files(tmp_path / "fresh")
    assert not folder.exists()


def test_windows_of_another_field_are_not_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "docs.jsonl"
    record = {"id": "d", "one": "first " * 60, "two": "other " * 60}
    path.write_text(json.dumps(record) + "\n", encoding="utf-8")
    index, cut = tmp_path / "index", Chunker(Windowing("tokens", 9), None)
    how = Encoding(part_passages=2, chunker=cut)
    bad = LengthEncoder(" ".join(["first"] * 6))  # the last window
    one, two = (replace(Corpus(path), text_field=name) for name in ("one", "two"))
    with pytest.raises(I3Error, match="not finite"):
        run_encoding(one, bad, IndexOutput(index), how)
    with pytest.raises(I3Error, match="text_field: one -> two"):
        run_encoding(two, LengthEncoder(), IndexOutput(index), how)
    run_encoding(two, LengthEncoder(), IndexOutput(index, overwrite=True), how)
    corpus = corpus_of(index)
    assert corpus is not None and {one.text.split()[0] for one in corpus} == {"other"}
    chunks = read_manifest(index).corpus.chunks
    assert chunks is not None and chunks.reading == {"text_field": "two"}


def _windows(cut: Chunker, documents: Path) -> list[Passage]:
    folder = documents.with_name("seen")
    cut.write(Corpus(documents), folder)
    return list(Corpus(folder))


def test_shards_of_windows_are_merged(documents: Path, tiny_bert: str, tmp_path: Path) -> None:
    encode_corpus(documents, model=tiny_bert, output=tmp_path / "whole", chunks=TOKENS)
    shards = []
    for number in range(3):
        shards.append(tmp_path / f"shard{number}")
        compute = ComputeOptions(shard_id=number, shard_num=3)
        encode_corpus(documents, model=tiny_bert, output=shards[-1], chunks=TOKENS, compute=compute)
    merge_shards(shards, output=tmp_path / "merged")
    whole, merged = files(tmp_path / "whole"), files(tmp_path / "merged")
    assert whole.keys() == merged.keys()
    differ = [name for name in whole if whole[name] != merged[name]]
    assert differ == ["manifest.json"]  # has a hash for each shard
    for shard in shards:
        shutil.rmtree(shard)
    assert corpus_of(tmp_path / "merged") is not None
    verified = verify_index(tmp_path / "merged", corpus=tmp_path / "merged" / "chunks")
    assert "the same" in str(verified)
    with pytest.raises(I3Error, match="cut into windows"):
        verify_index(tmp_path / "merged", corpus=documents)


def test_an_estimate_counts_windows(documents: Path, tiny_bert: str, tmp_path: Path) -> None:
    written = encode_corpus(documents, model=tiny_bert, output=tmp_path / "index", chunks=TOKENS)
    said = estimate_encoding(documents, model=tiny_bert, chunks=TOKENS)
    (line,) = [line for line in said.splitlines() if line.startswith("collection")]
    assert numbers(line)[0] == numbers(str(written).replace(str(tmp_path), ""))[0]


def test_what_is_refused(documents: Path, tiny_bert: str, tmp_path: Path) -> None:
    with pytest.raises(I3Error, match="require chunk"):
        ChunkOptions(chunk_size=12)
    for options, said in (
        (ChunkOptions("tokens", 161), "161 is more than the 160"),
        (ChunkOptions("tokens", 9), "size 9 leaves 7"),
        (ChunkOptions("tokens", 12, 10), "overlap 10"),
    ):
        with pytest.raises(I3Error, match=said):
            encode_corpus(documents, model=tiny_bert, output=tmp_path / "index", chunks=options)
    chunk_corpus(documents, output=tmp_path / "cut", by="tokens", size=12)
    with pytest.raises(I3Error, match="already"):
        encode_corpus(
            tmp_path / "cut" / "corpus", model=tiny_bert, output=tmp_path / "index", chunks=TOKENS
        )
    assert not list(tmp_path.glob("*index*"))
