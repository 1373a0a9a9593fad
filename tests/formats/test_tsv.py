from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.lines import read_tsv


def lines(path: Path, content: bytes) -> list[tuple[int, list[str]]]:
    path.write_bytes(content)
    return [(number, fields) for number, _, fields in read_tsv(path)]


def test_lines_are_literal(tmp_path: Path) -> None:
    content = b'1\t"open quote\n2\t\\t \\n\t""\n3\tna\xc3\xafve \xe2\x80\xa8 \x0b\x85\n'.replace(
        b"\x85", b"\xc2\x85"
    )
    assert lines(tmp_path / "a.tsv", content) == [
        (1, ["1", '"open quote']),
        (2, ["2", "\\t \\n", '""']),
        (3, ["3", "naïve \u2028 \x0b\x85"]),
    ]


def test_line_ends_byte_order_mark_and_blank_lines(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf1\ta\r\n\r\n  \n2\t b \r\n\t\n3\tc"
    assert lines(tmp_path / "a.tsv", content) == [
        (1, ["1", "a"]),
        (4, ["2", " b "]),
        (6, ["3", "c"]),
    ]
    later = b"1\ta\n\xef\xbb\xbf2\tb\n"
    assert lines(tmp_path / "a.tsv", later) == [(1, ["1", "a"]), (2, ["\ufeff2", "b"])]
    assert lines(tmp_path / "a.tsv", b"") == []


def test_places_name_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("\n1\ta\n", encoding="utf-8")
    assert [place for _, place, _ in read_tsv(path)] == [f"{path}, line 2"]


def test_not_utf8_or_not_there(tmp_path: Path) -> None:
    with pytest.raises(I3Error, match=r"a.tsv, line 2: not valid UTF-8 at byte 3"):
        lines(tmp_path / "a.tsv", b"1\ta\n2\t\xe4\n")
    with pytest.raises(I3Error, match=r"nowhere.tsv: cannot be read \(No such file"):
        list(read_tsv(tmp_path / "nowhere.tsv"))
    with pytest.raises(I3Error, match="is a folder"):
        list(read_tsv(tmp_path))


FIELD = st.text(st.characters(exclude_characters="\t\n\r", exclude_categories=["Cs"]))


@given(rows=st.lists(st.lists(FIELD, min_size=2, max_size=3)))
def test_what_is_written_is_read(rows: list[list[str]], tmp_path_factory: object) -> None:
    assert isinstance(tmp_path_factory, pytest.TempPathFactory)
    path = tmp_path_factory.getbasetemp() / "written.tsv"
    path.write_bytes("".join("\t".join(row) + "\n" for row in rows).encode())
    expected = [row for row in rows if "".join(row).strip()]
    if expected and rows[0] == expected[0]:  # a byte order mark is one only at the very start
        expected[0] = [expected[0][0].removeprefix("\ufeff"), *expected[0][1:]]
    assert [fields for _, _, fields in read_tsv(path)] == expected
