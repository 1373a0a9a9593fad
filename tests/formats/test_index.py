import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.index import (
    FORMAT,
    EncoderRecord,
    IndexManifest,
    ShardRecord,
    read_manifest,
)
from i3_pyserini.formats.index_directory import IndexDirectory
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.records import read_record
from i3_pyserini.formats.vector_files import Kind, Shape

# As the first version wrote it.
FIRST: dict[str, Any] = {
    "i3_pyserini": "0.1.0",
    "model": {
        "class": "auto",
        "name": "models/e5",
        "fingerprint": "f",
        "dimension": 3,
        "dtype": "bf16",
        "backend": "torch",
        "pooling": "mean",
        "l2_norm": True,
        "prefix": "passage:",
        "max_length": 200,
        "add_sep": False,
        "libraries": {"torch": "2.9"},
    },
    "corpus": {
        "name": None,
        "files": ["a.jsonl"],
        "fields": [],
        "docid_field": None,
        "delimiter": "\n",
        "path": "/corpus",
        "bytes": 10,
        "passages": 2,
        "sha256": "s",
    },
    "shard": {"id": 0, "number": 1},
    "titles": True,
    "store_dtype": "float32",
    "output": "faiss",
    "dimension": 3,
    "passages": 2,
    "index": {"type": "hnsw", "parameters": {"efSearch": 64}, "tuned": {"recall": 1.0, "k": 10}},
}


def write(folder: Path, content: Any) -> Path:
    (folder / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_a_manifest_of_the_first_version(tmp_path: Path) -> None:
    manifest = read_manifest(write(tmp_path, FIRST))
    encoder = manifest.encoder
    assert (encoder.kind, encoder.pooling, encoder.normalize) == ("auto", "mean", True)
    assert (encoder.passage_prompt, encoder.prompt_behind_title) == ("passage: ", True)
    assert (encoder.passage_length, encoder.dtype) == (200, "bf16")
    assert (manifest.format, manifest.kind, manifest.shard) == (1, "faiss", ShardRecord())
    assert (manifest.corpus.name, manifest.corpus.files) == (None, ("a.jsonl",))
    assert manifest.built.tuned and manifest.built.tuned.recall == 1.0
    manifest.write(tmp_path)
    assert read_manifest(tmp_path) == replace(manifest, format=FORMAT)


def test_what_a_newer_version_knows_is_kept(tmp_path: Path) -> None:
    newer = {**FIRST, "model": {**FIRST["model"], "colour": "red"}, "quality": {"a": [1]}}
    manifest = read_manifest(write(tmp_path, newer))
    assert (manifest.extra, manifest.encoder.extra) == ({"quality": {"a": [1]}}, {"colour": "red"})
    replace(manifest, passages=3).write(tmp_path)
    again = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert (again["quality"], again["model"]["colour"], again["passages"]) == ({"a": [1]}, "red", 3)


def test_other_meanings_of_known_keys_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {"format": FORMAT + 1, "i3_pyserini": "9"})
    with pytest.raises(I3Error, match=rf"manifest.json: .* newer i3_pyserini \(9, format {3}\)"):
        read_manifest(tmp_path)


def test_encoder_settings_go_there_and_back() -> None:
    encoder = EncoderRecord(
        kind="auto",
        pooling="last",
        normalize=False,
        dense=({"in_features": 3, "bias": True},),
        query_prompt="query: ",
        passage_prompt="",
        query_length=32,
        contradicted=("pooling: mean -> last",),
        cut=0.25,
        libraries={"torch": "1"},
    )
    assert EncoderRecord.from_json(json.loads(json.dumps(encoder.to_json())), "m") == encoder


@pytest.mark.parametrize("kind", ["faiss", "npy", "jsonl"])
def test_a_directory_is_opened_by_what_is_in_it(tmp_path: Path, kind: Kind) -> None:
    output = IndexOutput(tmp_path / "index", kind)
    block = Block(["a", "b"], np.ones((2, 3), dtype=np.float32), ["", ""])
    with output.work():
        output.finish([block], Shape(2, 3), IndexManifest(titles=False))
    directory = IndexDirectory.open(tmp_path / "index")
    assert (directory.kind, directory.has_manifest) == (kind, True)
    assert (directory.manifest.titles, directory.manifest.passages) == (False, 2)
    assert [docid for _, docid in directory.ids] == ["a", "b"]
    shape, blocks = directory.vectors()
    assert shape == Shape(2, 3)
    assert [docid for one in blocks for docid in one.ids] == ["a", "b"]
    (tmp_path / "index" / "manifest.json").unlink()
    stock = IndexDirectory.open(tmp_path / "index")
    assert (stock.has_manifest, stock.manifest) == (False, IndexManifest())


def test_a_directory_without_vectors(tmp_path: Path) -> None:
    with pytest.raises(I3Error, match="no vectors here"):
        IndexDirectory.open(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
NOW = {"l2_norm": "normalize", "max_length": "passage_length", "prefix": "passage_prompt"}
SECTIONS = [(), ("model",), ("corpus",), ("shard",), ("index",), ("index", "tuned")]


@pytest.mark.slow
@settings(max_examples=400)
@given(st.sampled_from(SECTIONS), st.data())
def test_any_value_of_any_key_is_kept_or_named(path: tuple[str, ...], data: st.DataObject) -> None:
    content = json.loads(json.dumps(FIRST))
    inner = content
    for name in path:
        inner = inner[name]
    key = data.draw(st.sampled_from([*sorted(inner), "format", "dense", "newer"]))
    inner[key] = data.draw(JSON)
    try:
        manifest = read_record(IndexManifest, content, "manifest.json")
    except I3Error as error:
        where = ".".join((*path, NOW.get(key, key)))
        assert str(error).startswith(f"manifest.json: '{where}")
        return
    again = manifest.to_json()
    assert read_record(IndexManifest, again, "again") == replace(manifest, format=FORMAT)
    kept = again
    for name in path:
        kept = kept.get(name, {})
    if key == "newer":
        assert kept[key] == inner[key]
