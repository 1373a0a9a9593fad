import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i3_pyserini.cli import run
from i3_pyserini.encode import base_index, update
from i3_pyserini.encode.batches import Batching
from i3_pyserini.encode.chunking import Chunker
from i3_pyserini.encode.runner import Encoding, run_encoding
from i3_pyserini.encode.scan import Shard
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.content_hashes import HASHES
from i3_pyserini.formats.index import IndexManifest, read_manifest
from i3_pyserini.formats.index_output import PASSAGES, IndexOutput
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.records import MANIFEST
from i3_pyserini.formats.vector_files import Kind
from i3_pyserini.formats.windows import Windowing
from tests.encode.slow_encode import slow_encoding
from tests.encode.stand_in import LengthEncoder

ROOT = Path(__file__).parents[2]
Records = list[dict[str, str]]


def records(passages: int = 40) -> Records:
    return [{"id": f"d{n}", "title": "t" * (n % 3), "text": "x" * n} for n in range(passages)]


def later(found: Records) -> Records:
    """3 removed, 2 changed, 2 new of which one has a known text; and the order is another."""
    changed = [dict(one) for one in found if one["id"] not in ("d3", "d20", "d39")]
    changed[5]["text"] = "y" * 90
    changed[30]["title"] = "another"
    changed.insert(9, {"id": "new", "title": "n", "text": "z" * 70})
    changed.append({"id": "renamed", "title": found[20]["title"], "text": found[20]["text"]})
    return changed[10:] + changed[:10]


def corpus(path: Path, content: Records) -> Corpus:
    path.write_text("".join(json.dumps(one) + "\n" for one in content), encoding="utf-8")
    return Corpus(path)


def encode(
    read: Corpus, index: Path, kind: Kind = "faiss", older: Path | None = None, **more: Any
) -> LengthEncoder:
    encoder = more.pop("encoder", None) or LengthEncoder()
    overwrite = more.pop("overwrite", False)
    how = Encoding(Batching(tokens=40), part_passages=5, update=older, **more)
    run_encoding(read, encoder, IndexOutput(index, kind, overwrite, older), how)
    return encoder


def files(index: Path) -> dict[str, bytes]:
    """All files but the manifest, and what it says apart from the update."""
    found = {one.name: one.read_bytes() for one in index.iterdir() if one.is_file()}
    manifest = json.loads(found.pop(MANIFEST))
    manifest.pop("update", None)
    return {**found, MANIFEST: json.dumps(manifest).encode()}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "BLOCK", 7)


@pytest.mark.parametrize("kind", ["faiss", "npy", "jsonl"])
@pytest.mark.parametrize("store_dtype", ["float32", "float16"])
def test_equals_an_encoding_from_scratch(
    tmp_path: Path, kind: Kind, store_dtype: str, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = corpus(tmp_path / "c.jsonl", records()), tmp_path / "new"
    how = Encoding(Batching(tokens=40, store_dtype=store_dtype), part_passages=5)
    run_encoding(old, LengthEncoder(), IndexOutput(tmp_path / "old", kind), how)
    changed = corpus(tmp_path / "c.jsonl", later(records()))
    run_encoding(changed, LengthEncoder(), IndexOutput(tmp_path / "fresh", kind), how)
    encoder = LengthEncoder()
    again = Encoding(how.batching, part_passages=5, update=tmp_path / "old")
    run_encoding(changed, encoder, IndexOutput(new, kind, updates=tmp_path / "old"), again)
    assert files(new) == files(tmp_path / "fresh")
    assert sum(map(len, encoder.batches)) == 3  # not the passage whose text has another id
    said = capsys.readouterr().err
    assert "35 passages unchanged, 2 changed, 2 new, 3 removed; 3 to encode; 1 have" in said
    manifest = IndexManifest.read(new)
    assert manifest is not None and manifest.update is not None
    found = manifest.update
    assert (found.times, found.taken_over, found.encoded, found.removed) == (1, 36, 3, 3)


def test_in_place_again_and_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index, content = tmp_path / "index", records()
    encode(corpus(tmp_path / "c.jsonl", content), index)
    for times in (1, 2):
        content = later(content + [{"id": i, "title": "", "text": i} for i in ("d3", "d20", "d39")])
        content = [one for one in content if one["id"] not in ("new", "renamed")]
        changed = corpus(tmp_path / "c.jsonl", content)
        encode(changed, index, older=index)
        encode(changed, tmp_path / f"fresh{times}")
        assert files(index) == files(tmp_path / f"fresh{times}")
    before = {one.name: (one.stat().st_ino, one.stat().st_mtime_ns) for one in index.iterdir()}
    encoder = encode(changed, index, older=index)
    assert not encoder.batches
    assert "up to date" in capsys.readouterr().err
    now = {one.name: (one.stat().st_ino, one.stat().st_mtime_ns) for one in index.iterdir()}
    assert now == before
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_what_did_not_change_is_said(
    tmp_path: Path, tiny_bert: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = corpus(tmp_path / "c.jsonl", records(3)).path
    words = ["encode", str(path), "--model", tiny_bert, "--output", str(tmp_path / "index")]
    for first in ("wrote", "unchanged"):
        run(words if first == "wrote" else [*words, "--update", str(tmp_path / "index")])
        assert capsys.readouterr().out.split()[0] == first


def test_unchanged_passages_but_another_manifest(tmp_path: Path) -> None:
    """An index without hashes, and one whose corpus was moved, are written, though none changed."""
    index, content = tmp_path / "index", records()
    read = corpus(tmp_path / "c.jsonl", content)
    encode(read, index)
    (index / HASHES).unlink()
    encode(read, index, older=index)
    assert (index / HASHES).is_file()
    read.path.rename(tmp_path / "moved.jsonl")
    encode(Corpus(tmp_path / "moved.jsonl"), index, older=index)
    assert read_manifest(index).corpus.path == str(tmp_path / "moved.jsonl")


def test_nothing_in_common_and_only_removed(tmp_path: Path) -> None:
    old = tmp_path / "old"
    encode(corpus(tmp_path / "c.jsonl", records()), old)
    other = corpus(tmp_path / "o.jsonl", [{"id": "a", "title": "", "text": "q" * 300}])
    assert len(encode(other, tmp_path / "other", older=old).batches) == 1
    fewer = corpus(tmp_path / "f.jsonl", records(4))
    assert not encode(fewer, tmp_path / "fewer", older=old).batches
    encode(fewer, tmp_path / "fresh")
    assert files(tmp_path / "fewer") == files(tmp_path / "fresh")


def test_tables_and_compressed_files(tmp_path: Path) -> None:
    table = tmp_path / "c.tsv"
    table.write_text(
        "id\ttext\n" + "".join(f"d{n}\t{'x' * n}\n" for n in range(1, 20)), encoding="utf-8"
    )
    encode(Corpus(table), tmp_path / "old")
    table.write_text(
        "id\ttext\n" + "".join(f"d{n}\t{'x' * (n + n % 2)}\n" for n in range(1, 20)),
        encoding="utf-8",
    )
    encode(Corpus(table), tmp_path / "new", older=tmp_path / "old")
    encode(Corpus(table), tmp_path / "fresh")
    assert files(tmp_path / "new") == files(tmp_path / "fresh")


def test_windows_are_cut_again(tmp_path: Path) -> None:
    def chunked(text: str, index: str, older: str | None = None) -> LengthEncoder:
        how = Windowing("tokens", 8, 2)
        read = corpus(tmp_path / "c.jsonl", [{"id": "a", "text": text}, {"id": "b", "text": "e f"}])
        base = tmp_path / older if older else None
        return encode(read, tmp_path / index, older=base, chunker=Chunker(how, None))

    words = " ".join(f"w{n}" for n in range(20))
    chunked(words, "old")
    encoder = chunked(f"{words} more", "new", "old")
    chunked(f"{words} more", "fresh")
    assert sum(map(len, encoder.batches)) == 1
    assert files(tmp_path / "new").keys() == files(tmp_path / "fresh").keys()
    for name in ("index", "docid", HASHES):
        assert (tmp_path / "new" / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes()
    with pytest.raises(I3Error, match="chunks"):
        encode(Corpus(tmp_path / "c.jsonl"), tmp_path / "whole", older=tmp_path / "old")


@pytest.mark.parametrize(
    ("name", "collision", "counts"),
    [
        ("id_hash", lambda docid: b"\0" * 8, "1 passages unchanged, 0 changed, 38 new"),
        ("_first_words", lambda rows: np.zeros(len(rows), np.uint64), "35 passages unchanged"),
    ],
)
def test_same_hash_is_not_the_same_passage(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    collision: Callable[[Any], Any],
    counts: str,
) -> None:
    monkeypatch.setattr(base_index, name, collision)
    encode(corpus(tmp_path / "c.jsonl", records()), tmp_path / "old")
    changed = corpus(tmp_path / "c.jsonl", later(records()))
    encode(changed, tmp_path / "new", older=tmp_path / "old")
    encode(changed, tmp_path / "fresh")
    assert files(tmp_path / "new") == files(tmp_path / "fresh")
    assert counts in capsys.readouterr().err


def test_index_of_an_earlier_version(tmp_path: Path) -> None:
    old = tmp_path / "old"
    encode(corpus(tmp_path / "c.jsonl", records()), old)
    (old / HASHES).unlink()
    changed = corpus(tmp_path / "d.jsonl", later(records()))
    assert sum(map(len, encode(changed, tmp_path / "new", older=old).batches)) == 3
    corpus(tmp_path / "c.jsonl", later(records()))  # the encoded corpus is there no more
    with pytest.raises(I3Error, match="no content hashes"):
        encode(changed, tmp_path / "newer", older=old)


def refused(tmp_path: Path, change: Callable[[dict[str, Any]], object], **more: Any) -> str:
    old = tmp_path / "old"
    read = corpus(tmp_path / "c.jsonl", records())
    encode(read, old)
    manifest = json.loads((old / MANIFEST).read_text(encoding="utf-8"))
    change(manifest)
    (old / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(I3Error) as error:
        encode(read, tmp_path / "new", older=old, **more)
    assert not (tmp_path / "new").exists()
    return str(error.value)


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("model", {"class": "test", "fingerprint": "g", "dimension": 2}, "fingerprint"),
        ("model", {}, "does not record"),
        ("titles", False, "titles"),
        ("store_dtype", "float16", "store_dtype"),
        ("index", {"type": "hnsw", "of": "FLAT"}, "FLAT"),
        ("shard", {"id": 1, "number": 3}, "shard 1 of 3"),
    ],
)
def test_other_indexes_are_refused(tmp_path: Path, key: str, value: Any, word: str) -> None:
    assert word in refused(tmp_path, lambda manifest: manifest.update({key: value}))


def test_damaged_and_absent_indexes_are_refused(tmp_path: Path) -> None:
    read = corpus(tmp_path / "c.jsonl", records())
    with pytest.raises(I3Error, match=r"not an index|no vectors"):
        encode(read, tmp_path / "new", older=tmp_path / "none")
    encode(read, tmp_path / "old")
    with pytest.raises(I3Error, match="output"):
        encode(read, tmp_path / "new", "npy", older=tmp_path / "old")
    (tmp_path / "old" / "docid").write_text("d0\n", encoding="utf-8")
    with pytest.raises(I3Error, match="1 ids for 40 vectors"):
        encode(read, tmp_path / "new", older=tmp_path / "old")
    np.save(tmp_path / "old" / HASHES, np.zeros((3, 16), np.uint8))
    with pytest.raises(I3Error):
        encode(read, tmp_path / "new", older=tmp_path / "old")


class Stopping(LengthEncoder):
    def vectors(self, ids: Sequence[Sequence[int]]) -> Any:
        if len(self.batches) > 4:
            raise KeyboardInterrupt
        return super().vectors(ids)


def test_a_corpus_that_changes_again_before_an_update_is_complete(tmp_path: Path) -> None:
    index, path = tmp_path / "index", tmp_path / "c.jsonl"
    encode(corpus(path, records()), index)
    before = files(index)
    for text in ("y", "z"):
        read = corpus(path, [{**one, "text": text * len(one["text"])} for one in records()])
        with pytest.raises(KeyboardInterrupt if text == "y" else I3Error) as error:
            encode(read, index, older=index, encoder=Stopping())
    assert str(error.value).startswith(f"{path}: has changed since")  # not a file of ours
    other = Encoding(Batching(tokens=40), part_passages=6, update=index)
    read, output = corpus(path, records()), IndexOutput(index, updates=index)
    with pytest.raises(I3Error, match="part_passages: 5 -> 6"):
        run_encoding(read, LengthEncoder(), output, other)
    encode(read, index, older=index)  # as it was: the parts of the update are not needed any more
    assert files(index) == before
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_texts_of_an_export_are_not_lost(tmp_path: Path) -> None:
    read, index = corpus(tmp_path / "c.jsonl", records()), tmp_path / "index"
    encode(read, index, "npy")
    (index / PASSAGES).write_text("", encoding="utf-8")
    with pytest.raises(I3Error, match=PASSAGES):
        encode(read, index, "npy", older=index)
    assert (index / PASSAGES).is_file()


def test_other_interrupted_encodings_are_not_resumed(tmp_path: Path) -> None:
    old = tmp_path / "old"
    encode(corpus(tmp_path / "c.jsonl", records(3)), old)
    read = corpus(tmp_path / "c.jsonl", records())
    with pytest.raises(KeyboardInterrupt):
        encode(read, tmp_path / "new", encoder=Stopping())
    with pytest.raises(I3Error, match="update: None -> True"):
        encode(read, tmp_path / "new", older=old)
    encode(read, tmp_path / "new", older=old, overwrite=True)
    encode(read, tmp_path / "fresh")
    assert files(tmp_path / "new") == files(tmp_path / "fresh")


@pytest.mark.slow
def test_killed_in_place(tmp_path: Path) -> None:
    """After `kill -9` the older index is whole, and the same command resumes."""
    index, content = tmp_path / "index", records(100)
    encode(corpus(tmp_path / "c.jsonl", content), index)
    before = files(index)
    changed = [
        {**one, "text": one["text"] + "!"} if n % 2 else one for n, one in enumerate(content)
    ]
    read = corpus(tmp_path / "c.jsonl", changed)
    folder = tmp_path / ".index.partial"
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.encode.slow_encode", "--update"),
            *(str(read.path), str(index), "0.05"),
        ],
        cwd=ROOT,
    ) as process:
        deadline = time.monotonic() + 60
        while len(list(folder.glob("part-*"))) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
    assert files(index) == before
    written = len(list(folder.glob("part-*")))
    assert written >= 3
    encoder = LengthEncoder()
    how = slow_encoding()
    again = Encoding(how.batching, part_passages=how.part_passages, update=index)
    run_encoding(read, encoder, IndexOutput(index, updates=index), again)
    assert sum(map(len, encoder.batches)) == 50 - 5 * written
    encode(read, tmp_path / "fresh")
    assert files(index) == files(tmp_path / "fresh")


def test_shards_are_not_updated(tmp_path: Path) -> None:
    encode(corpus(tmp_path / "c.jsonl", records()), tmp_path / "old", shard=Shard(0, 2))
    with pytest.raises(I3Error, match="merge"):
        encode(Corpus(tmp_path / "c.jsonl"), tmp_path / "new", older=tmp_path / "old")
