"""Exported vectors have texts and metadata, and are those of the index when they are imported."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from i3_pyserini.data import import_collection
from i3_pyserini.encode import export_index, import_vectors
from i3_pyserini.errors import I3Error
from i3_pyserini.formats import parquet_vectors
from i3_pyserini.formats.index import read_manifest
from i3_pyserini.formats.vector_files import read_files
from tests.conftest import Run
from tests.search.test_searcher import random_vectors, write_index

ROWS: list[dict[str, Any]] = [
    {"id": "d0", "title": "Ü", "text": "one", "price": 1.5, "stock": 1, "tags": ["a"]},
    {"id": "d1", "title": "", "text": "two", "price": 2, "new": True},
    {"id": "d2", "title": "T", "text": "three", "stock": 3, "tags": {"a": 1}},
]
VECTORS = random_vectors(3)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    (tmp_path / "c.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8"
    )
    keep = "price,stock,new,tags"
    import_collection(tmp_path / "c.jsonl", output=tmp_path / "data", keep=keep)
    index = write_index(tmp_path / "index", VECTORS)
    known = {"model": {"name": "m"}, "corpus": {"path": str(tmp_path / "data" / "corpus")}}
    (index / "manifest.json").write_text(
        json.dumps({"format": 2, "i3_pyserini": "x", **known}), encoding="utf-8"
    )
    return index


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def expected(row: dict[str, Any]) -> dict[str, Any]:
    title, text = row["title"], row["text"]
    return {**row, "contents": f"{title}\n{text}" if title else text}


def assert_same(folder: Path) -> None:
    _, blocks = read_files(folder)
    (block,) = blocks
    assert block.ids == ["d0", "d1", "d2"]
    np.testing.assert_array_equal(block.vectors, VECTORS)


def test_jsonl(index: Path, tmp_path: Path) -> None:
    export_index(index, to="jsonl", output=tmp_path / "out")
    lines = read_lines(tmp_path / "out" / "embeddings.jsonl")
    vectors = np.array([line.pop("vector") for line in lines], dtype=np.float32)
    np.testing.assert_array_equal(vectors, VECTORS)
    assert lines == list(map(expected, ROWS))
    assert list(lines[0])[:2] == ["id", "contents"]
    manifest = read_manifest(tmp_path / "out")
    assert (manifest.kind, manifest.encoder.name, manifest.passages) == ("jsonl", "m", 3)
    assert_same(tmp_path / "out")
    import_vectors(tmp_path / "out" / "embeddings.jsonl", output=tmp_path / "back")
    assert_same(tmp_path / "back")


def test_npy(index: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_index(index, to="npy", output=out)
    np.testing.assert_array_equal(np.load(out / "embeddings.npy"), VECTORS)
    assert read_lines(out / "passages.jsonl") == list(map(expected, ROWS))
    assert_same(out)
    import_vectors(out / "embeddings.npy", ids=out / "docid", output=tmp_path / "back")
    assert_same(tmp_path / "back")
    export_index(index, to="npy", output=out, overwrite=True)


@pytest.mark.parametrize("batch", [2, 4096])
def test_parquet(index: Path, tmp_path: Path, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_vectors, "BATCH", batch)
    path = tmp_path / "out.parquet"
    export_index(index, to="parquet", output=path)
    frame = pl.read_parquet(path)
    assert dict(frame.schema) == {
        **{"id": pl.String, "title": pl.String, "text": pl.String},
        **{"price": pl.Float64, "stock": pl.Int64, "tags": pl.String, "new": pl.Boolean},
        "vector": pl.Array(pl.Float32, 16),
    }
    assert frame["price"].to_list() == [1.5, 2.0, None]
    assert frame["stock"].to_list() == [1, None, 3] and frame["title"][1] is None
    assert [json.loads(tags) for tags in frame["tags"].drop_nulls()] == [["a"], {"a": 1}]
    np.testing.assert_array_equal(frame["vector"].to_numpy(), VECTORS)
    assert json.loads(pl.read_parquet_metadata(path)["i3_pyserini"])["model"] == {"name": "m"}
    import_vectors(path, output=tmp_path / "back")
    assert_same(tmp_path / "back")


@pytest.mark.parametrize("to", ["jsonl", "npy", "parquet"])
def test_without_a_corpus(tmp_path: Path, to: Any, capsys: pytest.CaptureFixture[str]) -> None:
    index, out = write_index(tmp_path / "index", VECTORS), tmp_path / "out.parquet"
    export_index(index, to=to, output=out)
    assert "no titles, texts and metadata" in capsys.readouterr().err
    if to == "parquet":
        assert pl.read_parquet(out)["text"].null_count() == 3
    else:
        assert_same(out)
        assert not (out / "passages.jsonl").exists()


@pytest.mark.parametrize("to", ["jsonl", "npy", "parquet"])
def test_half_an_export_leaves_nothing(index: Path, tmp_path: Path, to: Any) -> None:
    (tmp_path / "other.jsonl").write_text('{"id": "d0", "text": "x"}\n', encoding="utf-8")
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(I3Error, match="passage 'd1' is not in"):
        export_index(
            index,
            to=to,
            output=tmp_path / "out.parquet",
            corpus=tmp_path / "other.jsonl",
            cache=tmp_path / "index",
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_mistakes(index: Path, tmp_path: Path) -> None:
    with pytest.raises(I3Error, match=r"ends with \.parquet"):
        export_index(index, to="parquet", output=tmp_path / "out")
    export_index(index, to="parquet", output=tmp_path / "a.parquet")
    with pytest.raises(I3Error, match="exists"):
        export_index(index, to="parquet", output=tmp_path / "a.parquet")
    with pytest.raises(I3Error, match="no vectors here"):
        export_index(tmp_path, to="npy", output=tmp_path / "out")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"id": ["a", "b"], "vector": [[1.0, 2.0], [1.0]]}, "row 2: expected a vector of 2"),
        ({"id": ["a", "b"], "vector": [[1.0, 2.0], None]}, "row 2: expected a vector of 2"),
        ({"id": ["a", "b"], "vector": [[1.0], [None]]}, "row 2: expected a vector of 1"),
        ({"id": ["a", "b"], "vector": [None, [1.0]]}, "row 1: no vector"),
        ({"id": ["a", "a"], "vector": [[1.0], [2.0]]}, "'a' occurs a second time"),
        ({"id": ["a", "b c"], "vector": [[1.0], [2.0]]}, "row 2: id 'b c'"),
        ({"id": ["a"], "vector": [["x"]]}, "expected lists of numbers"),
        ({"id": ["a"], "price": [1]}, "no column 'vector'"),
        ({"vector": [[1.0]]}, "no column 'id'"),
    ],
)
def test_damaged_parquet_is_named(tmp_path: Path, columns: dict[str, Any], said: str) -> None:
    pl.DataFrame(columns, strict=False).write_parquet(tmp_path / "v.parquet")
    with pytest.raises(I3Error) as caught:
        import_vectors(tmp_path / "v.parquet", output=tmp_path / "out")
    assert said in str(caught.value) and "v.parquet" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_other_names_and_types_are_read(tmp_path: Path) -> None:
    frame = pl.DataFrame({"docid": [7, 8, 9], "embedding": VECTORS.astype(np.float64).tolist()})
    frame.write_parquet(tmp_path / "v.parquet")
    import_vectors(tmp_path / "v.parquet", output=tmp_path / "out")
    _, blocks = read_files(tmp_path / "out")
    (block,) = blocks
    assert block.ids == ["7", "8", "9"]
    np.testing.assert_array_equal(block.vectors, VECTORS)
    (tmp_path / "no.parquet").write_text("no", encoding="utf-8")
    with pytest.raises(I3Error, match="not a valid Parquet file"):
        import_vectors(tmp_path / "no.parquet", output=tmp_path / "no")


def test_the_command(index: Path, tmp_path: Path, run_module: Run) -> None:
    out = tmp_path / "out.parquet"
    words = ("i3_pyserini", "index", "export", index, "--to", "parquet", "--output", out)
    assert "3 passages of 16 dimensions" in run_module(*words, check=True).stdout
