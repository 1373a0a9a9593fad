import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i3_pyserini.encode.merge import merge
from i3_pyserini.encode.runner import Encoding, run_encoding
from i3_pyserini.encode.scan import Shard, scan
from i3_pyserini.errors import I3Error
from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.index import EncoderRecord, ShardRecord, read_manifest
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.vector_files import Kind, Shape
from tests.conftest import Run
from tests.encode.indexes import (
    PASSAGES,
    content,
    edit_manifest,
    encode,
    vectors_of_corpus,
    write_corpus,
)
from tests.encode.stand_in import LengthEncoder


class Described(LengthEncoder):
    """Says more of itself.

    Args:
        **more: what it says.
    """

    def __init__(self, **more: Any) -> None:
        super().__init__()
        self.more = more

    def describe(self) -> EncoderRecord:
        return replace(super().describe(), **self.more)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return write_corpus(tmp_path)


def encode_shards(corpus: Corpus, folder: Path, number: int = 3, **how: Any) -> list[Path]:
    return [
        encode(corpus, folder / f"shard-{one}", shard=(one, number), **how) for one in range(number)
    ]


@pytest.mark.parametrize("number", [2, 3, 7])
@pytest.mark.parametrize(
    ("kind", "store_dtype"),
    [("faiss", "float32"), ("jsonl", "float32"), ("npy", "float32"), ("npy", "float16")],
)
def test_merged_shards_are_the_bytes_of_one_encoding(
    corpus: Corpus, tmp_path: Path, kind: Kind, store_dtype: str, number: int
) -> None:
    how: dict[str, Any] = {"kind": kind, "store_dtype": store_dtype}
    whole = encode(corpus, tmp_path / "whole", **how)
    shards = encode_shards(corpus, tmp_path, number, **how)
    backwards = shards[::-1]
    assert merge(backwards, tmp_path / "merged") == Shape(PASSAGES, 2)
    assert content(tmp_path / "merged") == content(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["corpus", "whole", "merged", *(path.name for path in shards)]
    )


def test_merged_index_is_read_by_faiss(corpus: Corpus, tmp_path: Path) -> None:
    shards = encode_shards(corpus, tmp_path)
    merge(shards, tmp_path / "merged")
    index = faiss.read_index(str(tmp_path / "merged" / "index"))
    np.testing.assert_array_equal(index.reconstruct_n(0, PASSAGES), vectors_of_corpus())
    one = faiss.read_index(str(shards[1] / "index"))
    ids = (shards[1] / "docid").read_text(encoding="utf-8").splitlines()
    first = int(ids[0].removeprefix("d"))
    np.testing.assert_array_equal(
        one.reconstruct_n(0, one.ntotal), vectors_of_corpus()[first : first + len(ids)]
    )


def test_merged_manifest(corpus: Corpus, tmp_path: Path) -> None:
    whole = read_manifest(encode(corpus, tmp_path / "whole"))
    merge(encode_shards(corpus, tmp_path)[::-1], tmp_path / "merged")
    merged = read_manifest(tmp_path / "merged")
    hashes = [scan(corpus, Shard(one, 3)).sha256 for one in range(3)]
    assert merged.corpus == replace(whole.corpus, sha256=None, shards=tuple(hashes))
    assert replace(merged, corpus=whole.corpus) == whole
    assert (merged.shard, merged.passages) == (ShardRecord(id=0, number=1), PASSAGES)


def test_the_same_model_in_another_folder_is_the_same(corpus: Corpus, tmp_path: Path) -> None:
    shards = [
        encode(corpus, tmp_path / name, shard=(one, 2), encoder=Described(name=name))
        for one, name in enumerate("ab")
    ]
    merge(shards, tmp_path / "merged")
    assert read_manifest(tmp_path / "merged").encoder.name == "a"


@pytest.mark.parametrize(
    ("encoder", "how", "said"),
    [
        (Described(fingerprint="g"), {}, "model.fingerprint: f -> g"),
        (Described(dtype="bf16"), {}, "model.dtype: None -> bf16"),
        (Described(libraries={"torch": "0"}), {}, "model.libraries"),
        (None, {"store_dtype": "float16"}, "store_dtype: float32 -> float16"),
        (None, {"kind": "jsonl"}, "output: faiss -> jsonl"),
        (None, {"shard": (1, 4)}, "shard.number: 3 -> 4"),
    ],
)
def test_shards_of_other_encodings_are_refused(
    corpus: Corpus, tmp_path: Path, encoder: LengthEncoder | None, how: dict[str, Any], said: str
) -> None:
    shards = encode_shards(corpus, tmp_path)
    other = encode(corpus, tmp_path / "other", **{"shard": (1, 3), "encoder": encoder, **how})
    with pytest.raises(I3Error, match=f"other: not of the same encoding as .*shard-0.*{said}"):
        merge([shards[0], other, shards[2]], tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_models_without_fingerprint_are_compared_by_name(corpus: Corpus, tmp_path: Path) -> None:
    shards = [
        encode(
            corpus,
            tmp_path / name,
            shard=(one, 2),
            encoder=Described(name=name, fingerprint=None),
        )
        for one, name in enumerate("ab")
    ]
    with pytest.raises(I3Error, match=r"model\.name: a -> b"):
        merge(shards, tmp_path / "merged")


def test_shards_of_other_corpora_and_options_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    shards = encode_shards(corpus, tmp_path)
    fields = Corpus(corpus.path, fields=("text",))
    with_fields = encode(fields, tmp_path / "fields", shard=(1, 3))
    other = write_corpus(tmp_path / "elsewhere")
    same = encode(other, tmp_path / "same", shard=(1, 3))
    with (other.path / "b.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": "new", "text": "x"}\n')
    longer = encode(other, tmp_path / "longer", shard=(1, 3))
    (other.path / "b.jsonl").rename(other.path / "c.jsonl")
    renamed = encode(Corpus(other.path), tmp_path / "renamed", shard=(1, 3))
    for shard, said in (
        (with_fields, "corpus.fields: [] -> ['text']"),
        (longer, "corpus.bytes: "),
        (renamed, "corpus.files: ['a.jsonl', 'b.jsonl'] -> ['a.jsonl', 'c.jsonl']"),
    ):
        with pytest.raises(I3Error) as refused:
            merge([shards[0], shard, shards[2]], tmp_path / "merged")
        assert said in str(refused.value)
    merge([shards[0], same, shards[2]], tmp_path / "merged")  # only the corpus's place is another


def test_missing_and_repeated_shards_are_named(corpus: Corpus, tmp_path: Path) -> None:
    shards = encode_shards(corpus, tmp_path, 4)
    with pytest.raises(I3Error, match=r"shards missing \(of 4, from 0\): 0, 2; "):
        merge([shards[1], shards[3]], tmp_path / "merged")
    copy = shutil.copytree(shards[1], tmp_path / "copy")
    for twice in (copy, shards[1]):
        with pytest.raises(I3Error, match=f"{twice}: shard 1 is given twice, {shards[1]} has it"):
            merge([*shards, twice], tmp_path / "merged")


def test_unfinished_shards_are_named(corpus: Corpus, tmp_path: Path) -> None:
    class Interrupted(LengthEncoder):
        def vectors(self, ids: Any) -> Any:
            if len(self.batches) > 2:
                raise I3Error("power cut")
            return super().vectors(ids)

    shards = encode_shards(corpus, tmp_path, 2)
    shutil.rmtree(shards[1])
    with pytest.raises(I3Error, match="shard-1: no such directory"):
        merge(shards, tmp_path / "merged")
    with pytest.raises(I3Error, match="power cut"):
        how = Encoding(shard=Shard(1, 2), part_passages=8)
        run_encoding(corpus, Interrupted(), IndexOutput(shards[1]), how)
    assert not shards[1].exists()
    with pytest.raises(I3Error, match=r"shard-1: incomplete \(see .*\.shard-1\.partial\); run"):
        merge(shards, tmp_path / "merged")
    encode(corpus, shards[1], shard=(1, 2))
    merge(shards, tmp_path / "merged")
    assert content(tmp_path / "merged") == content(encode(corpus, tmp_path / "whole"))


def test_what_is_no_shard_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    shards = encode_shards(corpus, tmp_path)
    whole = encode(corpus, tmp_path / "whole")
    merge(shards, tmp_path / "merged")
    for path in (whole, tmp_path / "merged"):
        with pytest.raises(I3Error, match=f"{path}: is a whole index, not a shard"):
            merge([*shards, path], tmp_path / "again")
    (whole / "manifest.json").unlink()
    with pytest.raises(I3Error, match=r"whole: no manifest\.json"):
        merge([whole], tmp_path / "again")


@pytest.mark.parametrize(
    "changes",
    [
        {"shard": None},
        {"shard": {"id": 3, "number": 3}},
        {"shard": {"id": -1, "number": 3}},
        {"shard": {"id": "one", "number": 3}},
        {"passages": None},
        {"model": None},
        {"corpus": "c"},
        {"store_dtype": "nonsense"},
    ],
)
def test_damaged_manifests_are_named(
    corpus: Corpus, tmp_path: Path, changes: dict[str, Any]
) -> None:
    shards = encode_shards(corpus, tmp_path)
    edit_manifest(shards[2], **changes)
    with pytest.raises(I3Error, match=r"shard-2/manifest\.json: (not of a shard|'.*': expected)"):
        merge(shards, tmp_path / "merged")


@pytest.mark.parametrize("kind", ["faiss", "npy", "jsonl"])
def test_counts_that_differ_are_named(corpus: Corpus, tmp_path: Path, kind: Kind) -> None:
    shards = encode_shards(corpus, tmp_path, kind=kind)
    passages = read_manifest(shards[1]).passages
    assert passages
    edit_manifest(shards[1], passages=passages + 1)
    said = f"{passages} (ids|vectors of 2 dimensions), but its manifest says {passages + 1} "
    with pytest.raises(I3Error, match=f"shard-1.*: {said}"):
        merge(shards, tmp_path / "merged")
    edit_manifest(shards[1], passages=passages)
    ids = shards[1] / ("embeddings.jsonl" if kind == "jsonl" else "docid")
    ids.write_text(
        "".join(ids.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]), encoding="utf-8"
    )
    with pytest.raises(I3Error, match=f"{ids}: {passages - 1} ids, but its manifest says"):
        merge(shards, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_files_that_were_cut_off_are_named(corpus: Corpus, tmp_path: Path) -> None:
    for name, kind, said in (
        ("index", "faiss", "truncated"),
        ("docid", "faiss", "its last line is incomplete; the file was truncated"),
        ("embeddings.npy", "npy", "not a .npy file that can be memory-mapped"),
        ("embeddings.jsonl", "jsonl", "its last line is incomplete; the file was truncated"),
    ):
        shards = encode_shards(corpus, tmp_path / name, kind=kind)
        path = shards[1] / name
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(I3Error) as refused:
            merge(shards, tmp_path / "merged")
        assert str(path) in str(refused.value)
        assert said in str(refused.value)
    other = encode_shards(corpus, tmp_path / "kind", kind="npy")
    (other[0] / "embeddings.npy").rename(other[0] / "index")
    with pytest.raises(I3Error, match="shard-0: has files of kind faiss, but its manifest says"):
        merge(other, tmp_path / "merged")


def test_json_lines_of_another_dimension_are_named(corpus: Corpus, tmp_path: Path) -> None:
    shards = encode_shards(corpus, tmp_path, kind="jsonl")
    path = shards[2] / "embeddings.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text(
        "".join(json.dumps({**line, "vector": [1.0]}) + "\n" for line in lines), encoding="utf-8"
    )
    with pytest.raises(I3Error, match=f"{path}: vectors of 1 dimensions, but its manifest says 2"):
        merge(shards, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize("kind", ["faiss", "jsonl"])
def test_an_id_in_two_shards_is_named(tmp_path: Path, kind: Kind) -> None:
    corpus = write_corpus(tmp_path)
    path = corpus.path / "b.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    record = json.loads(lines[-1])
    lines[-1] = json.dumps({**record, "id": "d02"})  # as long as the one it replaces
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    first = json.loads((corpus.path / "a.jsonl").read_text(encoding="utf-8").splitlines()[2])
    text = (corpus.path / "a.jsonl").read_text(encoding="utf-8").replace('"d2"', '"d02"', 1)
    (corpus.path / "a.jsonl").write_text(text, encoding="utf-8")
    assert first["id"] == "d2"
    shards = encode_shards(corpus, tmp_path, kind=kind)
    name = "embeddings.jsonl" if kind == "jsonl" else "docid"
    last = len((shards[2] / name).read_text(encoding="utf-8").splitlines())
    with pytest.raises(
        I3Error, match=f"{shards[2] / name}, line {last}: id 'd02' occurs a second time"
    ):
        merge(shards[::-1], tmp_path / "merged")


def test_a_disk_that_is_too_small_is_found_first(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 100

    shards = encode_shards(corpus, tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    with pytest.raises(I3Error, match=r"merged: needs .* of disk"):
        merge(shards, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_what_is_there_is_kept_unless_told(corpus: Corpus, tmp_path: Path) -> None:
    shards = encode_shards(corpus, tmp_path)
    merge(shards, tmp_path / "merged")
    with pytest.raises(I3Error, match="merged: exists and is not empty"):
        merge(shards, tmp_path / "merged")
    merge(shards, tmp_path / "merged", overwrite=True)
    with pytest.raises(I3Error, match="shard-1: is given twice; choose another output"):
        merge(shards, shards[1], overwrite=True)
    part = tmp_path / ".new.partial" / "part-00000.safetensors"
    part.parent.mkdir()
    part.touch()
    with pytest.raises(I3Error, match="new: an interrupted encoding can be resumed here"):
        merge(shards, tmp_path / "new")
    assert part.exists()
    merge(shards, tmp_path / "new", overwrite=True)
    assert not part.exists()


def test_merge_on_the_command_line(
    corpus: Corpus,
    tmp_path: Path,
    run_module: Run,
) -> None:
    shards = encode_shards(corpus, tmp_path)
    done = run_module("i3_pyserini", "index", "merge", *shards[:2], "--output", tmp_path / "m")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "error: shards missing (of 3, from 0): 2; encode them and add their directories"
    ]
    done = run_module("i3_pyserini", "index", "merge", *shards, "--output", tmp_path / "m")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"wrote {tmp_path / 'm'}: 60 passages of 2 dimensions, from 3 shards\n"
