"""CSV and TSV: headers, delimiters, encodings, quotes; mistakes with their line and remedy."""

from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.corpus_options import CorpusOptions
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.tables import Table, read_rows
from tests.formats.damage import compressed


def read(path: Path, content: bytes, **table: Any) -> list[tuple[str, str | None, str]]:
    path.write_bytes(content)
    corpus = Corpus(path, table=Table(**table))
    return [(passage.docid, passage.title, passage.text) for passage in corpus]


@pytest.mark.parametrize("name", ["c.csv", "c.tsv"])
@pytest.mark.parametrize("how", ["", "gzip", "zstd"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_marks(
    tmp_path: Path, name: str, how: str, end: bytes, mark: bytes
) -> None:
    delimiter = b"," if name == "c.csv" else b"\t"
    lines = [b"id,title,text", b"", b"1,t,a b", b"2,,c", b"  "]
    content = mark + end.join(line.replace(b",", delimiter) for line in lines)
    found = read(tmp_path / name, compressed(content, how))
    assert found == [("1", "t", "a b"), ("2", None, "c")]


@pytest.mark.parametrize(
    "encoding", ["cp1252", "utf-16", "utf-16-le", "utf-8", "mac-roman", "gb18030"]
)
@pytest.mark.parametrize("name", ["c.csv", "c.tsv"])
def test_an_encoding_can_be_named(tmp_path: Path, name: str, encoding: str) -> None:
    text = 'id;title;text\n1;é;"a"\n2;;ü\n'
    quoted = name == "c.csv"
    found = read(tmp_path / name, text.encode(encoding), delimiter=";", encoding=encoding)
    assert found == [("1", "é", "a" if quoted else '"a"'), ("2", None, "ü")]


def test_quoted_fields_hold_delimiters_and_lines(tmp_path: Path) -> None:
    content = b'id,text,title\n1,"a, b\nc ""d""","x"\n\n2,e,\n'
    assert read(tmp_path / "c.csv", content) == [("1", "x", 'a, b\nc "d"'), ("2", None, "e")]
    rows = list(read_rows(tmp_path / "c.csv", "csv", Table()))
    assert [number for number, _ in rows] == [1, 2, 5]
    tabs = content.replace(b",", b"\t")
    assert read(tmp_path / "c.tsv", tabs, quoted=True)[0] == ("1", "x", 'a\t b\nc "d"')


def test_dpr_has_text_before_title_and_quotes_where_there_are_quotes(tmp_path: Path) -> None:
    content = (
        'id\ttext\ttitle\n1\t"Aaron (""Ahärôn"") is a prophet"\tAaron\n2\t"Hello"\t"a" and "b"\n'
        '3\t"open\tT\n'
    )
    assert read(tmp_path / "psgs_w100.tsv", content.encode()) == [
        ("1", "Aaron", 'Aaron ("Ahärôn") is a prophet'),
        ("2", '"a" and "b"', '"Hello"'),
        ("3", "T", '"open'),
    ]


def test_tsv_without_a_header_is_literal(tmp_path: Path) -> None:
    content = b'1\t"a ""b"""\n2\tt\t"c\n3\t\td\n'
    assert read(tmp_path / "c.tsv", content) == [
        ("1", None, '"a ""b"""'),
        ("2", "t", '"c'),
        ("3", None, "d"),
    ]


def test_a_header_is_noted_where_it_is_a_choice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert read(tmp_path / "c.tsv", b"pid\ttext\n1\ta\n") == [("1", None, "a")]
    assert "c.tsv: line 1 is read as the header: 'pid', 'text'" in capsys.readouterr().err
    assert read(tmp_path / "c.tsv", b"pid\ttext\n1\ta\n", header=False) == [
        ("pid", None, "text"),
        ("1", None, "a"),
    ]
    assert read(tmp_path / "c.csv", b"7,b\n1,a\n", header=False) == [
        ("7", None, "b"),
        ("1", None, "a"),
    ]
    assert read(tmp_path / "c.csv", b"id,text\n1,a\n") == [("1", None, "a")]
    assert not capsys.readouterr().err


def test_named_fields_of_rows_without_a_header(tmp_path: Path) -> None:
    path = tmp_path / "c.tsv"
    path.write_text("1\tt\ta\n2\tu\tb\n", encoding="utf-8")
    found = Corpus(path, ("title", "text"))
    assert [(one.docid, one.title, one.text) for one in found] == [("1", "t", "a"), ("2", "u", "b")]
    path.write_text("1\tt\ta\n2\tb\n", encoding="utf-8")
    with pytest.raises(I3Error, match=r"c\.tsv, line 2: no title or text"):
        list(Corpus(path, ("title", "text")))


@pytest.mark.parametrize("how", ["", "zstd"])
@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_a_delimiter_that_a_csv_file_shows(
    tmp_path: Path, mark: str, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["id;title;text", "1;t;a, b, c", '2;;"d; \n e"', "", "3;;f"]
    content = "\r\n".join(row.replace(";", mark) for row in rows).encode()
    expected = [("1", "t", "a, b, c"), ("2", None, f"d{mark} \n e"), ("3", None, "f")]
    assert read(tmp_path / "c.csv", compressed(content, how)) == expected
    assert capsys.readouterr().err == (
        f"note: {tmp_path / 'c.csv'}: columns are separated by {mark!r}\n"
    )
    assert read(tmp_path / "c.csv", content, delimiter=mark) == expected
    declared = b"\xef\xbb\xbf" + f"sep={mark}\r\n".encode() + content
    assert read(tmp_path / "c.csv", compressed(declared, how)) == expected
    assert read(tmp_path / "c.csv", declared, delimiter=mark) == expected
    assert [number for number, _ in read_rows(tmp_path / "c.csv", "csv", Table())][:2] == [2, 3]


def test_one_ragged_row_does_not_hide_the_delimiter(tmp_path: Path) -> None:
    rows = ["id;title;text", *(f"{n};t;x, y" for n in range(5)), "6;short", "7;t;z"]
    with pytest.raises(I3Error, match="line 7: 2 fields, but the header has 3"):
        read(tmp_path / "c.csv", "\n".join(rows).encode())


@pytest.mark.parametrize("mark", [",", ";"])
def test_a_row_of_empty_cells_is_blank(tmp_path: Path, mark: str) -> None:
    rows = ["id;text", "1;a", ";", " ; ", "2;b", ";"]
    content = "\n".join(row.replace(";", mark) for row in rows).encode()
    assert read(tmp_path / "c.csv", content) == [("1", None, "a"), ("2", None, "b")]


def test_a_comma_in_the_header_decides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert read(tmp_path / "c.csv", b"id,text\n1,a;b\n2,c;d\n") == [
        ("1", None, "a;b"),
        ("2", None, "c;d"),
    ]
    assert read(tmp_path / "c.csv", b"sep=;\nid;te,xt;text\n1;;b\n") == [("1", None, "b")]
    assert "separated by ';'" in capsys.readouterr().err


def test_a_first_line_that_declares_another_delimiter_is_a_row(tmp_path: Path) -> None:
    """It was left out in silence."""
    assert read(tmp_path / "c.tsv", b"sep=\t\n1\ta\n") == [("1", None, "a")]
    with pytest.raises(I3Error, match=r"c\.tsv, line 1: 1 fields"):
        read(tmp_path / "c.tsv", b"sep=;\n1\ta\n")
    with pytest.raises(I3Error, match=r"c\.csv, line 1"):
        read(tmp_path / "c.csv", b"sep=;\nid,text\n1,a\n", delimiter=",")


def test_options_of_tables_that_change_nothing_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert read(tmp_path / "c.jsonl", b'{"id": 1, "text": "a"}', encoding="cp1252")
    assert "not used: encoding" in capsys.readouterr().err


def test_the_byte_of_a_wide_encoding_is_that_of_the_file(tmp_path: Path) -> None:
    lines = "id,text\n" + "1,é\n" * 30_000
    content = lines.encode("utf-16-le")
    damaged = content + b"\x00\xdc" + "x\n".encode("utf-16-le")
    with pytest.raises(I3Error) as caught:
        read(tmp_path / "c.csv", damaged, encoding="utf-16-le")
    assert f"line 30002: not valid UTF-16-LE at byte {len(content) + 1} of" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "options", "said"),
    [
        ("c.csv", b"id,text\n1,a,b\n", {}, "line 2: 3 fields, but the header has 2 ('id', 'text')"),
        ("c.csv", b"id,text\n1,a\n2\n", {}, "line 3: 1 fields, but the header has 2"),
        ("c.tsv", b"id\ttext\n1\ta\tb\n", {}, "line 2: 3 fields, but the header has 2"),
        ("c.tsv", b"1\ta\n2\n", {}, "line 2: 1 fields; expected pid, title and text"),
        ("c.tsv", b"1\ta\n2\t\t\tb\n", {}, "line 2: 4 fields; expected pid, title and text"),
        ("c.csv", b'id,text\n1,"a\n2,b\n', {}, "line 2: a quote is not closed"),
        ("c.csv", b'id,text\n1,a\n2,"a"b\n', {}, "line 3: a quote is not closed"),
        (
            "c.csv",
            b"id,text\n1,\xff\n",
            {},
            "line 2: not valid UTF-8 at byte 3 of the line; name the file's",
        ),
        (
            "c.tsv",
            b"1\ta\n2\t\xe9\n",
            {},
            "line 2: not valid UTF-8 at byte 3 of the line; name the file's",
        ),
        ("c.csv", b"id,text\n1\n", {"encoding": "utf-16"}, "not valid UTF-16"),
        ("c.csv", b"sku,body\n1,a\n", {}, "line 1: no id (field 'id', '_id', 'pid'"),
        ("c.csv", b"sku,body\n1,a\n", {}, "it has 'sku', 'body'"),
        ("c.csv", b"1,a\n", {}, "--no-header"),
        (
            "c.csv",
            b"id;text\n1;a;b\n",
            {},
            "are columns separated by ';'? Name it: --delimiter ';'",
        ),
        (
            "c.csv",
            b"id;text\n1;a;b\n",
            {"delimiter": ";"},
            "line 2: 3 fields, but the header has 2",
        ),
        (
            "c.csv",
            "id,text".encode("utf-16"),
            {},
            "line 1: not valid UTF-8 at byte 1 of the line; its",
        ),
        ("c.csv", "id,text".encode("utf-16"), {}, "--encoding utf-16"),
        (
            "c.csv",
            b"id,text\n1,a",
            {"encoding": "utf-16-be"},
            "line 1: not valid UTF-16-BE at byte",
        ),
        ("c.tsv", b"sku\tbody\n1\ta\n", {}, "line 1: no id"),
        ("c.tsv", b"sku\tbody\n1\ta\n", {}, "--no-header (header=False) if this is a passage"),
        ("c.csv", b"id,text,text\n1,a,b\n", {}, "line 1: two columns are named 'text'"),
        ("c.csv", b"id,text\n,a\n", {}, "line 2: id '' is empty"),
        ("c.csv", b"id,text\n \t,a\n", {}, "line 2: id '' is empty"),
        ("c.csv", b"id,text\na b,a\n", {}, "line 2: id 'a b' is empty or contains white space"),
        ("c.csv", b"id,text\na\0b,a\n", {}, "line 2: id 'a\\x00b'"),
        ("c.tsv", b"1\ta\n\xc2\xa0\tb\n", {}, "line 2: id '\\xa0' is empty or contains white"),
    ],
)
def test_mistakes_are_named_with_their_line(
    tmp_path: Path, name: str, content: bytes, options: dict[str, Any], said: str
) -> None:
    for how in ("", "gzip", "zstd"):
        with pytest.raises(I3Error) as caught:
            read(tmp_path / name, compressed(content, how), **options)
        assert str(caught.value).startswith(f"{tmp_path / name}")
        assert said in str(caught.value)


def test_options_are_checked() -> None:
    for encoding in ("klingon", "base64", "hex", "rot13", "undefined", "", "a\0b"):
        with pytest.raises(I3Error, match=r"encoding '.*': no such encoding"):
            Table(encoding=encoding)
    for delimiter in ("", ";;", "\n", '"'):
        with pytest.raises(I3Error, match="delimiter '"):
            Table(delimiter)
    for options in ({"quotes": True}, {"delimiter": 7}, {"encoding": None}):
        with pytest.raises(I3Error, match="options of a table"):
            Corpus.from_options(Path(), {"table": options})


@pytest.mark.parametrize(
    ("given", "delimiter"), [("\\t", "\t"), ("\\", "\\"), (";", ";"), ("\\x7c", "|")]
)
def test_a_delimiter_may_be_written_as_an_escape(given: str, delimiter: str) -> None:
    assert CorpusOptions(delimiter=given).table().delimiter == delimiter
    for damaged in ("\\x", "\\N{nothing}"):
        with pytest.raises(I3Error, match="delimiter '"):
            CorpusOptions(delimiter=damaged).table()


def test_a_long_field_is_read(tmp_path: Path) -> None:
    text = "x" * 1_000_000
    assert read(tmp_path / "c.csv", f"id,text\n1,{text}\n".encode()) == [("1", None, text)]


@pytest.mark.parametrize("name", ["c.csv", "c.tsv", "c.jsonl"])
@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_half_a_file_is_named(tmp_path: Path, name: str, how: str) -> None:
    rows = [f"{number}{number**9}" for number in range(1, 3000)]
    content = {
        "c.csv": "id,text\n" + "".join(f"{row},x\n" for row in rows),
        "c.tsv": "".join(f"{row}\tx\n" for row in rows),
        "c.jsonl": "".join(f'{{"id": {row}, "text": "x"}}\n' for row in rows),
    }[name].encode()
    with pytest.raises(I3Error, match=rf"{name}: the compressed content is damaged or truncated"):
        read(tmp_path / name, compressed(content, how)[:-100])
