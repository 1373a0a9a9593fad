import base64
import json
import zlib
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from i3_pyserini.encode.scan import scan
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passages import Corpus
from tests.formats.damage import compressed


def corpus(tmp_path: Path, *records: Any, **options: Any) -> Corpus:
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return Corpus(path, **options)


def read(corpus: Corpus) -> list[tuple[str, str | None, str, str]]:
    return [(one.docid, one.title, one.text, one.contents) for one in corpus]


def test_title_and_text_by_themselves(tmp_path: Path) -> None:
    passages = read(
        corpus(
            tmp_path,
            {"id": "1", "title": " Eggs ", "text": "boil"},
            {"_id": 2, "title": None, "text": "fry"},
            {"docid": "3", "contents": "one\ntwo"},
            {"id": "4", "title": "", "text": None},
            {"id": "5", "text": None, "contents": "real words"},
            {"id": "6", "text": "", "contents": "others"},
            {"id": "7", "text": None, "body": None},
        )
    )
    assert passages == [
        ("1", "Eggs", "boil", "Eggs\nboil"),
        ("2", None, "fry", "\nfry"),
        ("3", None, "one\ntwo", "one\ntwo"),
        ("4", None, "", "\n"),
        ("5", None, "real words", "real words"),
        ("6", None, "", ""),
        ("7", None, "", ""),
    ]


def test_fields_of_contents(tmp_path: Path) -> None:
    fields = ("title", "text")
    one = corpus(tmp_path, {"id": "1", "contents": "Eggs \n boil\n"}, fields=fields)
    assert read(one) == [("1", "Eggs", "boil", "Eggs\nboil")]
    other = corpus(tmp_path, {"id": "1", "contents": "Eggs||boil"}, fields=fields, delimiter="||")
    assert read(other) == [("1", "Eggs", "boil", "Eggs\nboil")]


def test_fields_without_text_are_joined(tmp_path: Path) -> None:
    record = {"id": "1", "title": "t", "url": "u", "body": "b"}
    (passage,) = corpus(tmp_path, record, fields=("url", "title", "body"))
    assert (passage.title, passage.text, passage.contents) == ("t", "u b", "u\nt\nb")


def test_files_in_name_order(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.json", "c.jsonl", "README.md", ".DS_Store"):
        (tmp_path / name).write_text(json.dumps({"id": name, "text": "x"}) + "\n", encoding="utf-8")
    assert [passage.docid for passage in Corpus(tmp_path)] == ["a.json", "b.jsonl", "c.jsonl"]
    summary = scan(Corpus(tmp_path))
    assert summary.passages == 3
    assert Corpus(tmp_path).names == ["a.json", "b.jsonl", "c.jsonl"]


@pytest.mark.parametrize(
    ("record", "options", "said"),
    [
        ({"text": "x"}, {}, r"corpus.jsonl, line 2: no id \(field 'id', '_id', 'pid'"),
        ({"id": "", "text": "x"}, {}, "line 2: id '' is empty or contains white space"),
        ({"id": "a b", "text": "x"}, {}, "line 2: id 'a b' is empty or contains white space"),
        ({"id": True, "text": "x"}, {}, "line 2: the id is a bool"),
        ({"id": "1", "text": "x"}, {}, "line 2: id '1' occurs a second time"),
        ({"id": "2", "text": 7}, {}, "line 2: field 'text' is an int, not a string"),
        (
            {"id": "2", "other": "x"},
            {},
            r"line 2: no text \(field 'text', 'contents'.*it has 'id', 'other'",
        ),
        ({"id": "2", "text": "x"}, {"docid_field": "key"}, r"line 1: no id \(field 'key'\)"),
        (
            {"id": "2", "contents": "a\nb\nc"},
            {"fields": ("text",)},
            r"line 2: 'contents' has 3 part\(s\) .*, but 1 field\(s\) are asked for",
        ),
    ],
)
def test_bad_lines_are_named(
    tmp_path: Path, record: dict[str, Any], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(I3Error, match=said):
        scan(corpus(tmp_path, {"id": "1", "text": "fine"}, record, **options))


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(I3Error, match="no such file or folder"):
        Corpus(tmp_path / "nowhere")
    with pytest.raises(I3Error, match="no passage files in this folder"):
        Corpus(tmp_path)
    (tmp_path / "empty.jsonl").write_text("\n\n", encoding="utf-8")
    with pytest.raises(I3Error, match=r"no passages in 1 file\(s\)"):
        scan(Corpus(tmp_path))


def test_a_passage_is_found_by_its_id(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "1", "contents": "one"}\n', encoding="utf-8")
    (tmp_path / "b.jsonl").write_text(
        '{"_id": 2, "title": "t", "text": "two"}\n{"id": "3"}\n', encoding="utf-8"
    )
    found = Corpus(tmp_path).find("2")
    assert (found.docid, found.title, found.text) == ("2", "t", "two")
    with pytest.raises(I3Error, match=r"b\.jsonl, line 2: no text"):
        Corpus(tmp_path / "b.jsonl").find("3")
    (tmp_path / "b.jsonl").unlink()
    with pytest.raises(I3Error, match="no passage with id '9'"):
        Corpus(tmp_path).find("9")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": null, "text": "x"}', "the id is null, not a string"),
        ('{"id": true, "text": "x"}', "the id is a bool, not a string"),
        ('{"id": 1.0, "text": "x"}', "the id is a float, not a string"),
        ('{"id": ["1"], "text": "x"}', "the id is a list, not a string"),
        ('{"id": null, "pid": "7", "text": "x"}', "the id is null"),
        ('{"id": " ", "text": "x"}', "id ' ' is empty or contains white space"),
        ('{"id": "a\\u0000", "text": "x"}', "id 'a\\x00'"),
        ('{"id": "\\ud800", "text": "x"}', "the id: a lone surrogate"),
        ('{"id": "1", "text": "\\udc00"}', "field 'text': a lone surrogate"),
        ('{"id": "1", "text": ["x"]}', "field 'text' is a list, not a string"),
        ('{"id": "1", "title": 4, "text": "x"}', "field 'title' is an int, not a string"),
        ('{"id": "1"}', "no text (field 'text', 'contents'"),
        ('["1"]', "expected a JSON object"),
        ('{"id": "1"', "not valid JSON"),
    ],
)
@pytest.mark.parametrize("how", ["", "gzip", "zstd"])
def test_mistakes_are_named_whatever_the_compression(
    tmp_path: Path, line: str, said: str, how: str
) -> None:
    path = tmp_path / "c.jsonl"
    path.write_bytes(compressed(f'{{"id": "0", "text": ""}}\n\n{line}\n'.encode(), how))
    for read_all in (list, scan, lambda corpus: list(corpus.located())):
        with pytest.raises(I3Error) as caught:
            read_all(Corpus(path))
        assert str(caught.value).startswith(f"{path}, line 3: ")
        assert said in str(caught.value)


# Its second page has no values, at which a thread of polars fails.
DAMAGED = (
    "c-oay&2G~`5S}$FtDqbzlv&x54;E@IS42&`G)+=*+5SKx0>lxbf}2~%ZKM*T*d*oFXQ+DOfW$k%wFjPoBPWi10B#"
    "_5*Dk863W+_;-#7Ek?5uVmh5=HnqSu!S0Q@iYU+$d{fJi4$f+OHvT&hWY5lu9mb?^zdNN|~by9Z!MhZ1tjz>3`jb"
    "J4bpaf}s4*^GT4Ue{Z=QYM*v+_>7X`U$|4PUPmJ<6K#3;^y=8hSp|*SZ0y??;)s4(PMlh>?`rk4ex?nW8s>|w#>_"
    "xHUqF7*2UM-P}aGD6J?@dKkU+Jn&wCWE6awu<TCUfg(+9JD+7$$j$QM95a-%T;HH(Z3;77_l;S<`PN?%=7bw=iep"
    "6)ZGsSgaX9lC*0{d=M)%;dP42REmH?sZ1(VNKnM(XM`_k}z=O0;LvKMqS@hn@(Li7l-|aepB3`CP?&LL8KNJ*9PU"
    "Q;DZ9WK#RpU(zCP^N}b|fomv!{BkYU!R<_q(pTn|4(NI@3^nP_fuvG8EShbXRCPU1s32Vx?S=xZXM^-8nr5#5_I-"
    "YsPFCF6Xqt`FiOW}m)rRZuy&E6JZY$|D_+I=VNn+kgk~WWnHQs7RjZVZn%_QMTD;mWezGBzpE2@Y5DL=tLev?1w0"
    "jTc"
)


def test_rows_of_a_damaged_parquet_file_are_not_lost_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    path.write_bytes(zlib.decompress(base64.b85decode("".join(DAMAGED))))
    with pytest.raises(I3Error, match=r"c\.parquet: (damaged: 0 of 2 rows|not a valid Parquet)"):
        scan(Corpus(path))


def test_mistakes_in_parquet_are_named_with_their_row(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    for ids, said in (
        (["1", None], "row 2: the id is null"),
        ([1.0, 2.0], "row 1: the id is a float"),
        ([True, False], "row 1: the id is a bool"),
        (["1", "1"], "row 2: id '1' occurs a second time"),
    ):
        pl.DataFrame({"id": ids, "text": ["a", "b"]}).write_parquet(path)
        with pytest.raises(I3Error) as caught:
            scan(Corpus(path))
        assert str(caught.value).startswith(f"{path}, {said}")
    pl.DataFrame({"id": ["1"], "words": ["a"]}).write_parquet(path)
    with pytest.raises(I3Error, match=r"c\.parquet: no text \(field 'text'.*it has 'id', 'words'"):
        scan(Corpus(path))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(I3Error, match=r"c\.parquet: not a valid Parquet file"):
        scan(Corpus(path))
