from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3_pyserini.errors import I3Error
from i3_pyserini.formats import unique
from i3_pyserini.formats.unique import Repeated, SeenIds


def second(docids: list[str]) -> tuple[int, str] | None:
    seen = SeenIds()
    for docid in docids:
        seen.add(docid)
    repeated = seen.repeated()
    return repeated.second(docids) if repeated else None


def test_the_first_id_that_comes_again_is_found_with_its_position() -> None:
    assert second(["a", "b", "c", "b", "a"]) == (3, "b")
    assert second(["a", "b", "c"]) is None
    assert second([]) is None
    assert second(["", "é", "e", "é"]) == (3, "é")


@given(st.lists(st.text(alphabet="abc", max_size=2)))
def test_finds_what_a_set_finds(docids: list[str]) -> None:
    first = next(((n, one) for n, one in enumerate(docids) if one in docids[:n]), None)
    assert second(docids) == first


def test_many_groups_find_the_same_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unique, "GROUP", 64)
    monkeypatch.setattr(unique, "BLOCK", 10)
    docids = [f"d{number}" for number in range(5000)]
    assert second(docids) is None
    for number in (0, 1, 9, 10, 2500, 4998, 4999):
        assert second([*docids, f"d{number}"]) == (5000, f"d{number}")


def test_different_ids_that_share_a_hash_are_not_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unique, "id_hash", lambda docid: docid[0].encode() * 8)
    assert second(["a1", "a2", "b"]) is None
    assert second(["a1", "a2", "b", "a2"]) == (3, "a2")


def test_nothing_is_repeated_in_no_hashes() -> None:
    assert not Repeated(set())


def test_the_file_of_hashes_has_no_name(tmp_path: Path) -> None:
    seen = SeenIds(tmp_path)
    seen.add("a")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(I3Error, match="nowhere: cannot be written"):
        SeenIds(tmp_path / "nowhere")
