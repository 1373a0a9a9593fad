import json
import os
import pickle
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import DataLoader

from i3_pyserini.errors import I3Error
from i3_pyserini.formats import textstore
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.tables import Table
from i3_pyserini.formats.textstore import TextStore, open_query_store, open_store

ROWS = b"p1\ttitle one\ttext one\np2\t\ttext two\np3\ttext three\n"


def written(path: Path, content: bytes = ROWS) -> Path:
    path.write_bytes(content)
    return path


def stores(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("*.store*"))


def test_two_and_three_fields(tmp_path: Path) -> None:
    store = open_store(written(tmp_path / "c.tsv"))
    assert len(store) == 3
    assert store.get("p1") == Passage("p1", "title one", "text one")
    assert store.get("p2") == Passage("p2", None, "text two")
    assert store.get("p3") == Passage("p3", None, "text three")
    assert store.get("p") is None
    assert list(store.pids()) == ["p1", "p2", "p3"] == [store.pid(row) for row in range(3)]
    assert store.slice(1, 9) == [
        Passage("p2", None, "text two"),
        Passage("p3", None, "text three"),
    ]


def test_texts_are_literal(tmp_path: Path) -> None:
    content = '\ufeffp1\t"unbalanced\tit\'s\\t "so"\r\n p2 \tnaïve \u2028 ; DROP TABLE \0\r\n'
    store = open_store(written(tmp_path / "c.txt", content.encode()))
    assert store.get("p1") == Passage("p1", '"unbalanced', 'it\'s\\t "so"')
    assert store.get("p2") == Passage("p2", None, "naïve \u2028 ; DROP TABLE \0")


def test_ids_are_strings(tmp_path: Path) -> None:
    store = open_store(written(tmp_path / "c.tsv", b"1\ta\n01\tb\n1.0\tc\nx1\td\nX1\te\n"))
    pids = ("1", "01", "1.0", "x1", "X1")
    assert [store.get(pid) for pid in pids] == [
        Passage(pid, None, text) for pid, text in zip(pids, "abcde", strict=True)
    ]


def test_blank_lines_leave_no_gap(tmp_path: Path) -> None:
    """Positions count passages, not lines: random negatives and validation go by them."""
    store = open_store(written(tmp_path / "c.tsv", b"\np1\ta\n\n \np2\tb\n\np3\tc\n\n"))
    assert [store.pid(row) for row in range(len(store))] == ["p1", "p2", "p3"]
    assert [passage.docid for passage in store.slice(1, 3)] == ["p2", "p3"]


@pytest.mark.parametrize("folder", [False, True])
def test_jsonl(tmp_path: Path, folder: bool) -> None:
    first = {"id": "p1", "title": "one", "contents": "x\ty"}
    second = {"_id": 2, "text": "two"}
    (tmp_path / "corpus").mkdir()
    for name, record in (("a.jsonl", first), ("b.jsonl", second)):
        (tmp_path / "corpus" / name).write_text(json.dumps(record) + "\n\n", encoding="utf-8")
    single = written(
        tmp_path / "one.jsonl", (json.dumps(first) + "\n\n" + json.dumps(second)).encode()
    )
    store = open_store(tmp_path / "corpus" if folder else single)
    assert store.slice(0, 9) == [Passage("p1", "one", "x\ty"), Passage("2", None, "two")]
    assert store.pid(1) == "2"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("c.tsv", b"p1\ta\np2 b\n", "c.tsv, line 2: 1 fields; expected pid, title and text"),
        ("c.tsv", b"\np1\ta\tb\tc\n", "c.tsv, line 2: 4 fields"),
        ("c.tsv", b"p1\ta\n \tb\n", "c.tsv, line 2: id '' is empty"),
        ("c.tsv", b"p1\ta\np2\t\xff\n", "c.tsv, line 2: not valid UTF-8 at byte 4"),
        (
            "c.tsv",
            b"p1\ta\n\np2\tb\np2\tc\np1\td\n",
            r"c.tsv, line 4: passage 'p2' occurs a second time \(first in .*c.tsv, line 3\)",
        ),
        ("c.tsv", b"", r"c.tsv: no passages in 1 file"),
        ("c.tsv", b"\n \n", r"c.tsv: no passages in 1 file"),
        ("c[1]*?.tsv", b"p1\ta\np1\tb\n", "line 2: passage 'p1' occurs a second time"),
        ("c.jsonl", b"", r"c.jsonl: no passages in 1 file"),
        ("c.jsonl", b'{"id": "1"}\n', "c.jsonl, line 1: no text"),
        (
            "c.jsonl",
            b'{"id": "1", "text": ""}\n' * 2,
            r"c.jsonl, line 2: passage '1' occurs a second time \(first in .*c.jsonl, line 1\)",
        ),
        ("c.jsonl", b'{"id": "1", "text": "\\ud800"}\n', "c.jsonl.*surrogate"),
    ],
)
def test_bad_collections_leave_nothing(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    with pytest.raises(I3Error, match=said):
        open_store(written(tmp_path / name, content))
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_no_collection(tmp_path: Path) -> None:
    with pytest.raises(I3Error, match=r"nowhere.tsv: no such file or folder"):
        open_store(tmp_path / "nowhere.tsv")
    with pytest.raises(I3Error, match=r"nowhere.tsv: no such file of generated queries"):
        open_query_store(tmp_path / "nowhere.tsv")


@pytest.mark.parametrize("name", ["a#b.tsv", "a%20b.tsv", "a?mode=rwc.tsv", "a b'\".tsv", "ä.tsv"])
def test_odd_file_names(tmp_path: Path, name: str) -> None:
    assert len(open_store(written(tmp_path / name))) == 3
    assert len(list(tmp_path.iterdir())) == 2


def test_a_store_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = written(tmp_path / "c.tsv")
    first = open_store(source)
    monkeypatch.setattr(textstore, "_build", lambda *_: pytest.fail("built again"))
    again = open_store(source)
    assert again.path == first.path
    assert stores(tmp_path) == [first.path.name]
    assert again.get("p3") == Passage("p3", None, "text three")


def test_a_changed_collection_is_read_again(tmp_path: Path) -> None:
    source = written(tmp_path / "c.tsv")
    old = open_store(source)
    written(source, ROWS.replace(b"three", b"seven"))  # as many bytes as before
    os.utime(source, ns=(0, 5))
    new = open_store(source)
    assert new.get("p3") == Passage("p3", None, "text seven")
    assert old.get("p3") == Passage("p3", None, "text three")


def test_a_changed_folder_is_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    written(folder / "a.jsonl", b'{"id": "1", "text": "a"}\n')
    assert len(open_store(folder)) == 1
    written(folder / "b.jsonl", b'{"id": "2", "text": "b"}\n')
    assert len(open_store(folder)) == 2


def test_sources_of_one_name_share_a_cache(tmp_path: Path) -> None:
    texts = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        source = written(tmp_path / name / "c.tsv", f"p\t{name}\n".encode())
        os.utime(source, ns=(0, 0))
        texts.append(open_store(source, tmp_path / "new" / "cache").get("p"))
    assert texts == [Passage("p", None, "one"), Passage("p", None, "two")]
    assert len(stores(tmp_path / "new" / "cache")) == 2
    assert not stores(tmp_path / "one")


def test_a_store_can_be_pickled(tmp_path: Path) -> None:
    store = open_store(written(tmp_path / "c.tsv"))
    store.get("p1")
    again = pickle.loads(pickle.dumps(store))
    assert again.get("p1") == store.get("p1") == Passage("p1", "title one", "text one")
    assert len(again) == 3


def test_a_store_in_forked_workers(tmp_path: Path) -> None:
    rows = "".join(f"p{number}\ttext {number}\n" for number in range(200))
    store = open_store(written(tmp_path / "c.tsv", rows.encode()))
    assert store.get("p0")  # opened here, before the fork
    inherited = store._connection

    def look_up(pids: list[str]) -> list[tuple[Passage | None, bool]]:
        return [(store.get(pid), store._connection is inherited) for pid in pids]

    pids = [f"p{number}" for number in range(200)]
    loader: DataLoader[Any] = DataLoader(pids, batch_size=7, num_workers=2, collate_fn=look_up)  # type: ignore[arg-type]
    found = [entry for batch in loader for entry in batch]
    assert found == [
        (Passage(f"p{number}", None, f"text {number}"), False) for number in range(200)
    ]
    assert store.get("p199") == Passage("p199", None, "text 199")
    assert store._connection is inherited


@pytest.mark.parametrize("cache", ["file", "file/below", "/proc/none"])
def test_a_cache_that_cannot_be_written(tmp_path: Path, cache: str) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(I3Error, match=r"store: cannot be written \(.*--data\.cache") as caught:
        open_store(written(tmp_path / "c.tsv"), tmp_path / cache)
    assert "\n" not in str(caught.value)


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("i3_pyserini.formats.textstore.os.fsync", full)
    with pytest.raises(I3Error, match=r"cannot be written .*No space left"):
        open_store(written(tmp_path / "c.tsv"))
    assert not stores(tmp_path)


def test_generated_queries(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = b"p1\tfirst\np2\t two \n\nodd\np1\tlast\np3\ta\tb\np4\t\n"
    source = written(tmp_path / "g.tsv", content)
    store = open_query_store(source)
    texts = {pid: entry.text for pid in ("p1", "p2", "p4") if (entry := store.get(pid))}
    assert texts == {"p1": "last", "p2": "two", "p4": ""}
    assert (len(store), store.get("p3"), store.get("odd")) == (3, None, None)
    said = capsys.readouterr().err
    assert f"2 line(s) without exactly one tab are skipped ({source}, line 4)" in said
    assert f"{source}: 1 line(s) are replaced by a later one for the same passage ('p1')" in said


def test_one_file_as_collection_and_as_queries(tmp_path: Path) -> None:
    """The store that drops repeated ids must not pass for the one that refuses them."""
    source = written(tmp_path / "c.tsv", b"p1\ta\np1\tb\n")
    assert open_query_store(source).get("p1") == Passage("p1", None, "b")
    with pytest.raises(I3Error, match="line 2: passage 'p1' occurs a second time"):
        open_store(source)


def test_a_store_is_read_only(tmp_path: Path) -> None:
    store = TextStore(open_store(written(tmp_path / "c.tsv")).path)
    with pytest.raises(Exception, match="readonly"):
        store._open().execute("DELETE FROM passage")


PRICES = {
    "c.jsonl": b'{"id": "1", "text": "a", "price": 2.5, "tags": ["x"]}\n{"id": "2", "text": "b"}\n',
    "c.csv": b"id,text,price,tags\n1,a,2.5,x\n2,b,,\n",
}


@pytest.mark.parametrize("name", PRICES)
def test_further_fields_are_kept(tmp_path: Path, name: str) -> None:
    source = written(tmp_path / name, PRICES[name])
    store = open_store(source, keep=("price", "tags"))
    first, second = store.slice(0, 2)
    expected = {"price": 2.5, "tags": ["x"]} if name == "c.jsonl" else {"price": "2.5", "tags": "x"}
    assert first == store.get("1") == Passage("1", None, "a", expected)
    assert not any(second.extra.values())
    assert open_store(Corpus(source, keep=("price", "tags"))).path == store.path
    plain = open_store(source)
    assert plain.get("1") == Passage("1", None, "a")
    assert open_store(source, keep=("price",)).path not in (store.path, plain.path)


@pytest.mark.parametrize("name", PRICES)
def test_a_field_that_no_passage_has_is_not_kept(tmp_path: Path, name: str) -> None:
    source = written(tmp_path / name, PRICES[name])
    with pytest.raises(I3Error, match=f"{name}.*'?colour"):
        open_store(source, keep=("price", "colour"))
    assert not stores(tmp_path)


def test_a_store_is_of_the_options_of_its_corpus(tmp_path: Path) -> None:
    source = written(tmp_path / "c.csv", b"id,text,body\n1,a,b\n")
    paths = {
        open_store(corpus).path
        for corpus in (
            Corpus(source),
            Corpus(source, text_field="body"),
            Corpus(source, ("text", "body")),
            Corpus(source, ("text", "body"), table=Table(encoding="cp1252")),
        )
    }
    assert len(paths) == 4
    assert {text for path in paths for text in [TextStore(path).slice(0, 1)[0].text]} == {"a", "b"}


@pytest.mark.parametrize("column", ["pid", "title", "text", "extra"])
@pytest.mark.parametrize("value", [b"\xff", 7, "{", "[1]", "[" * 100_000])
def test_a_row_that_is_damaged_is_named(tmp_path: Path, column: str, value: object) -> None:
    store = open_store(written(tmp_path / "c.csv", PRICES["c.csv"]), keep=("price",))
    with sqlite3.connect(store.path) as connection:
        change = f"UPDATE passage SET {column} = ? WHERE row = 0"  # noqa: S608  (a known column)
        connection.execute(change, (value,))
    connection.close()
    if column != "extra" and isinstance(value, str | int):
        return  # another text: SQLite turns the number into one, and nobody can tell
    reads: list[Callable[[], object]] = [
        lambda: TextStore(store.path).slice(0, 1),
        lambda: list(TextStore(store.path).metadata() if column == "extra" else store.pids()),
        lambda: store.pid(0),
    ]
    for read in reads[: {"pid": 3, "extra": 2}.get(column, 1)]:
        with pytest.raises(I3Error, match="the text store is damaged") as damaged:
            read()
        assert "\n" not in str(damaged.value)
        assert str(damaged.value).count(str(store.path)) == 1  # said once
