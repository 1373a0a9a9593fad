"""Tables of texts: metadata, made ids, markup."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from i3_pyserini.data import import_collection
from i3_pyserini.data.preparing import id_of
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.corpus_options import CorpusOptions
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.passages import Corpus, kept_fields
from i3_pyserini.formats.textstore import open_store
from tests.conftest import Run

CSV = """\
sku;name;body;price;stock;zip;url
a1;Eggs;"<p>Boil &amp; peel</p>";1,50;3;01234;http://x/1
a2;;Hot water;20;;99999;http://x/2
a3;Ice;Cold;0,99;7;10115;
"""
FIELDS = CorpusOptions("sku", "name", "body")


def lines_of(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "corpus" / "corpus.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "faq.csv"
    path.write_bytes(CSV.encode("cp1252"))
    return path


def test_metadata_is_kept_with_types(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = tmp_path / "ours"
    keep = ["price, stock", "zip", "URL"]
    import_collection(table, output=ours, keep=keep, strip_html=True, corpus_options=FIELDS)
    assert lines_of(ours) == [
        {
            **{"id": "a1", "title": "Eggs", "text": "Boil & peel", "contents": "Eggs\nBoil & peel"},
            **{"price": 1.5, "stock": 3, "zip": "01234", "URL": "http://x/1"},
        },
        {
            **{"id": "a2", "title": "", "text": "Hot water", "contents": "Hot water"},
            **{"price": 20.0, "zip": "99999", "URL": "http://x/2"},
        },
        {
            **{"id": "a3", "title": "Ice", "text": "Cold", "contents": "Ice\nCold"},
            **{"price": 0.99, "stock": 7, "zip": "10115"},
        },
    ]
    known = json.loads((ours / "manifest.json").read_text(encoding="utf-8"))["metadata"]
    assert known == {"price": "number", "stock": "integer", "zip": "text", "URL": "text"}
    said = capsys.readouterr().err
    assert "separated by ';'" in said and "markup removed from 1 passages" in said
    assert "line 2: zip is '01234'" in said and "price has a decimal comma" in said
    assert "stock (integer; 1 passages have none)" in said


@pytest.mark.parametrize("part", ["", "corpus", "corpus/corpus.jsonl"])
def test_later_commands_know_the_metadata(table: Path, tmp_path: Path, part: str) -> None:
    ours, again = tmp_path / "ours", tmp_path / "again"
    import_collection(table, output=ours, keep="price,url", corpus_options=FIELDS)
    assert kept_fields(ours / part) == Corpus(ours / part).keep == ("price", "url")
    store = open_store(ours / part, tmp_path / "cache")
    assert [store.slice(row, row + 1)[0].extra.get("price") for row in range(3)] == [1.5, 20, 0.99]
    import_collection(ours, output=again)
    assert lines_of(again) == lines_of(ours)
    assert kept_fields(again) == ("price", "url")


def test_another_corpus_beside_a_collection_has_no_metadata(table: Path, tmp_path: Path) -> None:
    import_collection(table, output=tmp_path / "ours", keep="price", corpus_options=FIELDS)
    for name in ("other.csv", "raw/other.csv"):
        (tmp_path / "ours" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "ours" / name).write_text("id,text\na,x\n", encoding="utf-8")
        assert [passage.extra for passage in Corpus(tmp_path / "ours" / name)] == [{}]


def test_values_of_json_and_parquet_keep_their_types(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "text": "x", "n": 1, "f": 0.5, "b": True, "s": "12", "l": ["u"], "m": 1},
        {"id": "b", "text": "y", "n": 2, "f": 2.0, "b": False, "s": "7", "l": [], "m": 2.5},
        {"id": "c", "text": "z", "n": None, "f": None, "b": None, "s": "1", "l": None, "m": None},
    ]
    (tmp_path / "c.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
    )
    pl.DataFrame(rows, strict=False).write_parquet(tmp_path / "c.parquet")
    for name in ("c.jsonl", "c.parquet"):
        ours = tmp_path / f"ours-{name}"
        import_collection(tmp_path / name, output=ours, keep="n,f,b,s,l,m")
        found = [{key: line[key] for key in line if key in "nfbslm"} for line in lines_of(ours)]
        assert found == [
            {key: row[key] for key in row if key in "nfbslm" and row[key] is not None}
            for row in rows
        ]
        assert json.loads((ours / "manifest.json").read_text(encoding="utf-8"))["metadata"] == {
            **{"n": "integer", "f": "number", "b": "boolean", "s": "text", "l": "json"},
            "m": "number",
        }


@pytest.mark.parametrize(
    ("delimiter", "values", "expected"),
    [
        (";", ["1,5", "2"], [1.5, 2.0]),
        (";", ["1.5", "2"], [1.5, 2.0]),
        (";", ["1,5", "2.5"], ["1,5", "2.5"]),
        ("\t", ["1,5", "2"], ["1,5", "2"]),
        (",", ["-1", "0"], [-1, 0]),
        (",", ["1", "02"], ["1", "02"]),
        (",", ["1e5", "2"], ["1e5", "2"]),
        (",", ["1", "x"], ["1", "x"]),
        (",", ["9" * 18, "1"], [int("9" * 18), 1]),
        (",", ["9" * 19, "1"], ["9" * 19, "1"]),
        (",", ["true", "false"], ["true", "false"]),
    ],
)
def test_which_columns_are_numbers(
    tmp_path: Path, delimiter: str, values: list[str], expected: list[Any]
) -> None:
    rows = [["id", "text", "x"], *([f"d{n}", "t", value] for n, value in enumerate(values))]
    path = tmp_path / ("c.tsv" if delimiter == "\t" else "c.csv")
    path.write_text("".join(delimiter.join(row) + "\n" for row in rows), encoding="utf-8")
    import_collection(path, output=tmp_path / "ours", keep="x")
    found = [line["x"] for line in lines_of(tmp_path / "ours")]
    assert found == expected and list(map(type, found)) == list(map(type, expected))


@pytest.mark.parametrize(
    ("value", "told"),
    [("5,00 €", True), ("$ 1.000,50", True), ("3 kg", True), ("on request", False), ("", False)],
)
def test_numbers_with_a_sign_are_told(
    tmp_path: Path, value: str, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.csv").write_text(
        f"id;text;x\n1;t;{value}\n2;t;{value}\n3;t;red\n", encoding="utf-8"
    )
    import_collection(tmp_path / "c.csv", output=tmp_path / "ours", keep="x")
    said = capsys.readouterr().err
    assert (f"c.csv, line 2: x is {value!r}: text" in said) == told


def test_columns_that_are_left_out_are_named(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = CorpusOptions("sku", None, "body")
    import_collection(table, output=tmp_path / "ours", keep="price", corpus_options=options)
    said = capsys.readouterr().err
    assert "columns left out: 'name', 'stock', 'zip', 'url'" in said
    assert said.count("separated by ';'") == 1
    import_collection(
        table, output=tmp_path / "all", keep="price,stock,zip,url", corpus_options=FIELDS
    )
    assert "left out" not in capsys.readouterr().err


def test_a_table_without_ids_gets_advice(table: Path, tmp_path: Path) -> None:
    with pytest.raises(I3Error, match=r"no id .*--make-ids"):
        import_collection(table, output=tmp_path / "no")
    assert not (tmp_path / "no").exists()
    with pytest.raises(I3Error, match=r"nowhere\.csv: no such file$"):
        import_collection(tmp_path / "nowhere.csv", output=tmp_path / "no")


def test_a_nan_is_no_value(tmp_path: Path) -> None:
    pl.DataFrame({"id": ["a", "b"], "text": "x", "price": [1.0, float("nan")]}).write_parquet(
        tmp_path / "c.parquet"
    )
    import_collection(tmp_path / "c.parquet", output=tmp_path / "ours", keep="price")
    assert ["price" in line for line in lines_of(tmp_path / "ours")] == [True, False]


def test_made_ids_are_those_of_the_content(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["id,title,text", "x y,T,a", ",,b", "7,T,a", "7,T,a", ",U,a"]
    ids = []
    for number, order in enumerate([rows, [rows[0], *rows[:0:-1]]]):
        path = tmp_path / f"{number}.csv"
        path.write_text("\n".join(order) + "\n", encoding="utf-8")
        import_collection(path, output=tmp_path / str(number), make_ids=True)
        ids.append([line["id"] for line in lines_of(tmp_path / str(number))])
    first = id_of(Passage("", "T", "a"))
    assert ids[0] == [
        *(first, id_of(Passage("", None, "b")), f"{first}-2", f"{first}-3"),
        id_of(Passage("", "U", "a")),
    ]
    assert sorted(ids[0]) == sorted(ids[1]) and len(first) == 16
    said = capsys.readouterr().err
    assert "2 passages have title and text of an earlier one" in said
    assert "0.csv, line 4" in said


def test_files_without_ids(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\nx\ny\n", encoding="utf-8")
    (tmp_path / "b.tsv").write_text("T\tx\n", encoding="utf-8")
    (tmp_path / "c.jsonl").write_text('{"text": "x"}\n', encoding="utf-8")
    for name, texts in (("a.csv", ["x", "y"]), ("b.tsv", ["x"]), ("c.jsonl", ["x"])):
        import_collection(tmp_path / name, output=tmp_path / name[0], make_ids=True)
        assert [line["text"] for line in lines_of(tmp_path / name[0])] == texts
    with pytest.raises(I3Error, match="no id"):
        import_collection(tmp_path / "a.csv", output=tmp_path / "no")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"keep": "prize"}, "line 1: no prize to keep .* --keep expects names of columns"),
        ({"keep": "price,,url"}, "a name is empty"),
        ({"keep": ["price", "price"]}, "'price' is given twice"),
        ({"keep": "title"}, "'title' is the name of a passage's own field"),
        ({"make_ids": True}, "make_ids and docid_field cannot be combined"),
    ],
)
def test_mistakes(table: Path, tmp_path: Path, more: dict[str, Any], said: str) -> None:
    with pytest.raises(I3Error, match=said):
        import_collection(table, output=tmp_path / "no", corpus_options=FIELDS, **more)
    assert not (tmp_path / "no").exists()


def test_options_that_a_source_does_not_have(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text('{"id": "a", "text": "x"}\n', encoding="utf-8")
    with pytest.raises(I3Error, match="no passage has a value in field 'price'"):
        import_collection(tmp_path / "c.jsonl", output=tmp_path / "no", keep="price")
    (tmp_path / "t.tsv").write_text("q\tx\n", encoding="utf-8")
    (tmp_path / "q.txt").write_text("q 0 a 1\n", encoding="utf-8")
    judged: dict[str, Any] = {
        "topics": {"test": tmp_path / "t.tsv"},
        "qrels": {"test": tmp_path / "q.txt"},
    }
    with pytest.raises(I3Error, match="name passages by their ids"):
        import_collection(tmp_path / "c.jsonl", output=tmp_path / "no", make_ids=True, **judged)
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("keep", [("--keep", "price,url"), ("--keep", "price", "url")])
def test_the_command(run_module: Run, table: Path, tmp_path: Path, keep: Sequence[str]) -> None:
    names = ("--title-field", "name", "--text-field", "body")
    words = ("data", "import", table, "--output", tmp_path / "ours", *names, *keep)
    run_module("i3_pyserini", *words, "--make-ids", "--strip-html", check=True)
    first = lines_of(tmp_path / "ours")[0]
    assert (first["text"], first["price"], first["url"]) == ("Boil & peel", 1.5, "http://x/1")
