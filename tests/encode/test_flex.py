"""FlexIndex folders: ids and vectors are kept, and what is damaged or exists is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from i3_pyserini.encode import export_index, import_vectors
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.vector_files import read_files
from tests.search.test_searcher import random_vectors, write_index

pytest.importorskip("npids", reason="needs pyterrier_dr: pip install 'i3-pyserini[pyterrier]'")
VECTORS = random_vectors(5)


def index_of(folder: Path, ids: list[str]) -> Path:
    index = write_index(folder / "INDEX", VECTORS[: len(ids)])
    (index / "docid").write_text("".join(f"{one}\n" for one in ids), encoding="utf-8")
    return index


@pytest.mark.parametrize(
    "ids",
    [
        ["0", "1", "2", "3", "4"],
        ["007", "7", "08", "d1#0", "葉"],
        ["0a1f", "ff00", "abcd", "0000", "1234"],
        ["MED-10", "MED-9", "x" * 300, "-5", "1.5"],
    ],
)
def test_there_and_back(ids: list[str], tmp_path: Path) -> None:
    index = index_of(tmp_path, ids)
    export_index(index, to="flex", output=tmp_path / "FLEX")
    import_vectors(tmp_path / "FLEX", output=tmp_path / "BACK")
    (found,) = read_files(tmp_path / "BACK")[1]
    assert found.ids == ids
    np.testing.assert_array_equal(found.vectors, VECTORS)
    assert len(list(tmp_path.iterdir())) == 3  # nothing hidden is left


@pytest.mark.parametrize("ids", [["one"], ["0a1f", "ff", "00"]])
def test_ids_that_npids_loses_are_refused(ids: list[str], tmp_path: Path) -> None:
    index = index_of(tmp_path, ids)
    with pytest.raises(I3Error, match="npids") as raised:
        export_index(index, to="flex", output=tmp_path / "FLEX")
    assert "\n" not in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["INDEX"]


def test_existing_folders(tmp_path: Path) -> None:
    index = index_of(tmp_path, ["a", "b", "c", "d", "e"])
    target = tmp_path / "FLEX"
    export_index(index, to="flex", output=target)
    with pytest.raises(I3Error, match="exists"):
        export_index(index, to="flex", output=target)
    export_index(index, to="flex", output=target, overwrite=True)
    (target / "pt_meta.json").write_text('{"type": "other"}', encoding="utf-8")
    with pytest.raises(I3Error, match="FlexIndex"):
        export_index(index, to="flex", output=target, overwrite=True)


def test_damaged_folders(tmp_path: Path) -> None:
    index = index_of(tmp_path, ["a", "b", "c", "d", "e"])
    export_index(index, to="flex", output=tmp_path / "FLEX")
    meta = json.loads((tmp_path / "FLEX" / "pt_meta.json").read_text(encoding="utf-8"))
    negative = {"doc_count": -meta["doc_count"], "vec_size": -meta["vec_size"]}
    wrong = ({"doc_count": 6}, "vecs.f4"), ({"vec_size": None}, "pt_meta"), (negative, "pt_meta")
    for change, said in wrong:
        (tmp_path / "FLEX" / "pt_meta.json").write_text(json.dumps(meta | change), encoding="utf-8")
        with pytest.raises(I3Error, match=said):
            import_vectors(tmp_path / "FLEX", output=tmp_path / "BACK")
    (tmp_path / "FLEX" / "pt_meta.json").write_text(json.dumps(meta), encoding="utf-8")
    (tmp_path / "FLEX" / "docnos.npids").write_bytes(b"")
    with pytest.raises(I3Error, match="npids"):
        import_vectors(tmp_path / "FLEX", output=tmp_path / "BACK")
    assert not (tmp_path / "BACK").exists()
