"""Passages whose texts are the same."""

from pathlib import Path

import pytest

from i3_pyserini.data.same_text import TextHashes
from i3_pyserini.formats.textstore import open_store


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a b\tc", "a\tb c", True),
        ("A\tb", "\ta \u2003B ", True),
        ("Straße\tx", "STRASSE\tX", True),
        ("a\tb c", "a\tbc", False),
        ("a\tb", "b\ta", False),
        ("a\tb.", "a\tb", False),
        ("a\t", "\t", False),
    ],
)
def test_texts_that_are_the_same(tmp_path: Path, one: str, other: str, same: bool) -> None:
    path = tmp_path / "c.tsv"
    path.write_text(f"p1\t{one}\np2\t{other}\np3\tsomething else\n", encoding="utf-8")
    hashes, known = TextHashes(open_store(path)).look_up(["p2", "p1", "p4", "p2"])
    assert (hashes[0] == hashes[1]) == same
    assert hashes[0] == hashes[3]
    assert known.tolist() == [True, True, False, True]


def test_more_texts_than_are_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "c.tsv"
    path.write_text(
        "".join(f"p{number}\ttext {number % 4999}\n" for number in range(5001)), encoding="utf-8"
    )
    texts = TextHashes(open_store(path))
    hashes, known = texts.look_up([f"p{number}" for number in range(5002)])
    assert known.tolist() == [True] * 5001 + [False]
    assert len(set(hashes[:5001].tolist())) == 4999
    assert hashes[4999] == hashes[0]
    assert hashes[5000] == hashes[1]
    assert texts.look_up([])[0].shape == (0,)
