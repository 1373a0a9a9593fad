"""A collection of an engine that was loaded from an earlier state of an index."""

import importlib.util
from contextlib import closing
from pathlib import Path

import pytest

from tests.search.test_searcher import random_vectors, write_index

if importlib.util.find_spec("pymilvus") is None or importlib.util.find_spec("milvus_lite") is None:
    pytest.skip("needs an engine: pip install 'i3-pyserini[engine]'", allow_module_level=True)

from i3_pyserini.integrations.copying import copy_index
from i3_pyserini.integrations.milvus import Milvus
from i3_pyserini.search.engine import Collection

STATE = '{"model": {"name": "m", "fingerprint": "f"}, "corpus": {"sha256": "%s"}}'


def test_it_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_index(tmp_path / "flat", random_vectors(10))
    (folder / "manifest.json").write_text(STATE % "old", encoding="utf-8")
    with closing(Milvus(f"milvus:{tmp_path / 'engine.db'}", create=True)) as engine:
        copy_index(engine, folder, "passages")
        Collection(engine, "passages").note_stale()
        assert "earlier state" not in capsys.readouterr().err
        (folder / "manifest.json").write_text(STATE % "new", encoding="utf-8")
        Collection(engine, "passages").note_stale()
    said = capsys.readouterr().err
    assert f"earlier state of {folder}" in said and "index load" in said
