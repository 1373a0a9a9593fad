"""Qdrant: addresses, its filters, and requests over the network."""

import ast
import importlib.util
import json
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.data import import_collection
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.runs import read_run
from i3_pyserini.formats.textstore import TextStore, open_store
from i3_pyserini.integrations import load_index
from i3_pyserini.integrations.copying import Copied, copy_index
from i3_pyserini.integrations.qdrant import Qdrant
from i3_pyserini.integrations.qdrant_connection import failures
from i3_pyserini.search.engine import Collection, search_engine
from i3_pyserini.search.topics import search_topics
from tests.conftest import Run
from tests.integrations.qdrant_server import serving
from tests.integrations.stores import (
    ENGINES,
    address_of,
    assert_exact,
    exact_hits,
    hits_of,
    random_vectors,
    rewrite,
    write_index,
)
from tests.pages import block, run_code
from tests.search.conftest import place
from tests.search.test_documents import DOCUMENTS, world

if importlib.util.find_spec("qdrant_client") is None:
    pytest.skip(ENGINES["qdrant"][1], allow_module_level=True)

PASSAGES, K = 200, 10
QUERIES = random_vectors(5, seed=1)
Row = dict[str, Any]
__all__ = ["place", "world"]  # fixtures


def row_of(number: int) -> Row:
    row: Row = {"id": f"d{number}", "text": f"text {number}"}
    if number % 4:
        row |= {"price": number / 4, "stock": number % 7, "new": number % 2 == 0}
    row |= {"Shop name": f'shop "{number % 3}"', "tags": [str(number % 5), "t"]}
    return row | {"hash": f"h{number % 2}", "maker": {"land": "de" if number % 3 else "fr"}}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> TextStore:
    folder = tmp_path_factory.mktemp("metadata")
    lines = "".join(json.dumps(row_of(number)) + "\n" for number in range(PASSAGES))
    (folder / "c.jsonl").write_text(lines, encoding="utf-8")
    keep = "price,stock,new,Shop name,tags,hash,maker"
    import_collection(folder / "c.jsonl", output=folder / "data", keep=keep)
    return open_store(folder / "data" / "corpus")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_index(tmp_path_factory.mktemp("qdrant") / "index", random_vectors(PASSAGES))


@pytest.fixture(scope="module")
def engine(index: Path, texts: TextStore) -> Iterator[Qdrant]:
    with closing(Qdrant("qdrant::memory:")) as engine:
        copy_index(engine, index, "p", batch=64, texts=texts)
        yield engine


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"must": [{"key": "price", "range": {"lt": 20}}]}, lambda row: row.get("price", 99) < 20),
        (
            {
                "must": [{"key": "price", "range": {"gte": 10}}],
                "should": [{"key": "stock", "match": {"any": [1, 2]}}],
            },
            lambda row: row.get("price", 0) >= 10 and row["stock"] in (1, 2),
        ),
        ({"must": {"key": "new", "match": {"value": True}}}, lambda row: row.get("new") is True),
        ({"must": [{"is_empty": {"key": "price"}}]}, lambda row: "price" not in row),
        ({"must_not": [{"is_empty": {"key": "price"}}]}, lambda row: "price" in row),
        (
            {"must": [{"key": '"Shop name"', "match": {"value": 'shop "1"'}}]},
            lambda row: row["Shop name"] == 'shop "1"',
        ),
        ({"must": [{"key": "tags", "match": {"value": "3"}}]}, lambda row: "3" in row["tags"]),
        (
            {"must": [{"key": "maker.land", "match": {"value": "fr"}}]},
            lambda row: row["maker"]["land"] == "fr",
        ),
        ({"must": [{"key": "_hash", "match": {"value": "h1"}}]}, lambda row: row["hash"] == "h1"),
        ({"must": [{"key": "price", "range": {"gt": 1000}}]}, lambda row: False),
        (None, lambda row: True),
    ],
)
def test_hits_are_those_of_exact_search_of_what_satisfies_it(
    index: Path, engine: Qdrant, condition: Any, holds: Callable[[Row], bool]
) -> None:
    text = None if condition is None else json.dumps(condition)
    kept = {f"d{number}" for number in range(PASSAGES) if holds(row_of(number))}
    every = exact_hits(index, QUERIES, PASSAGES)
    expected = [[one for one in hits if one in kept][:K] for hits in every]
    assert hits_of(engine, "p", QUERIES, K, filter=text) == expected


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("price < 2", "no filter of Qdrant"),
        ("[]", "no filter of Qdrant"),
        ("{}", "empty filter"),
        ('{"must": []}', "empty filter"),
        ('{"must": [{"must": []}]}', "empty filter"),
        ('{"must": [{"key": "price", "range": {"lt": 2}}], "should": [{}]}', "empty filter"),
        ('{"mist": []}', "mist"),
        ('{"must": [{"key": "prize", "range": {"lt": 2}}]}', "unknown field 'prize'; available: "),
        ('{"must": [{"must_not": [{"is_null": {"key": "prize"}}]}]}', "unknown field 'prize'"),
        ('{"must": [{"key": "hash", "match": {"value": 1}}]}', "unknown field 'hash'"),
        ('{"must": [{"key": "price", "range": {"lt": "a"}}]}', "no filter of Qdrant"),
        ('{"must": [{"key": "price"}]}', "filter"),
    ],
)
def test_invalid_filters_are_one_line(engine: Qdrant, condition: str, said: str) -> None:
    with pytest.raises(I3Error) as caught:
        search_engine(engine, "p", QUERIES, K, filter=condition)
    assert said in str(caught.value) and "filter" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_metadata_of_hits_are_those_of_the_corpus(engine: Qdrant) -> None:
    rows = {f"d{number}": row_of(number) for number in (1, 4)}
    own = ("id", "text")
    assert Collection(engine, "p").metadata(list(rows)) == {
        docid: {key: value for key, value in row.items() if key not in own}
        for docid, row in rows.items()
    }


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("qdrant:http://127.0.0.1:9", "cannot be reached"),
        ("qdrant:http://[", "cannot be reached"),
        ("qdrant:/absent/folder/x", "no such folder"),
        ("qdrant:", "expected qdrant:FOLDER"),
    ],
)
def test_addresses_that_are_none(address: str, said: str) -> None:
    with pytest.raises(I3Error, match=said):
        Qdrant(address, create=True)


def test_folders_that_are_none(tmp_path: Path, index: Path, run_module: Run) -> None:
    for name in ("typo", "others"):
        with pytest.raises(I3Error, match="no Qdrant in it"):
            Qdrant(f"qdrant:{tmp_path / name}")
    assert not (tmp_path / "typo").exists()
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "file").write_text("x", encoding="utf-8")
    with pytest.raises(I3Error, match="has other files"):
        Qdrant(f"qdrant:{tmp_path / 'others'}", create=True)
    with pytest.raises(I3Error, match="is a file"):
        Qdrant(f"qdrant:{tmp_path / 'others' / 'file'}", create=True)
    with pytest.raises(I3Error, match="only within a process"):
        load_index(index, engine="qdrant::memory:", collection="p")
    address = address_of("qdrant", tmp_path)
    with closing(Qdrant(address, create=True)):
        load = ("i3_pyserini", "index", "load", index, "--engine", address, "--collection", "p")
        done = run_module(*load)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
        assert "does another process use it?" in done.stderr


def test_an_embedded_engine_whose_database_cannot_be_opened() -> None:
    with (
        pytest.raises(I3Error, match=r"qdrant:x: cannot make a collection \(unable to open"),
        failures("qdrant:x", "cannot make a collection"),
    ):
        raise sqlite3.OperationalError("unable to open database file")


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i3_pyserini.integrations.qdrant_connection.find_spec", lambda module: None)
    with pytest.raises(I3Error, match=r"pip install 'i3-pyserini\[qdrant\]'"):
        Qdrant("qdrant::memory:")


def test_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i3_pyserini.integrations.qdrant_connection.CONNECT", 1)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(I3Error, match="cannot be reached"),
    ):
        Qdrant(f"qdrant:http://127.0.0.1:{silent.getsockname()[1]}")


def test_requests_over_the_network(
    tmp_path: Path, texts: TextStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QDRANT_API_KEY", "s3cret")
    monkeypatch.setattr("i3_pyserini.integrations.qdrant.READ", 30)
    index = write_index(tmp_path / "index", random_vectors(PASSAGES))
    with serving(key="s3cret") as (address, server), closing(Qdrant(address)) as engine:
        assert copy_index(engine, index, "p", 64, texts=texts) == Copied(PASSAGES, PASSAGES)
        assert_exact(engine, "p", index, QUERIES)
        rewrite(index, random_vectors(PASSAGES)[3:], [f"d{row}" for row in range(3, PASSAGES)])
        assert copy_index(engine, index, "p", texts=texts) == Copied(PASSAGES - 3, 0, 3)
        few = '{"must": [{"key": "price", "range": {"lt": 20}}]}'
        found = hits_of(engine, "p", QUERIES, K, filter=few)
        assert all(row_of(int(one[1:]))["price"] < 20 for hits in found for one in hits)
        assert Collection(engine, "p").metadata(["d5"])["d5"]["stock"] == 5
        with pytest.raises(I3Error, match="available: p"):
            search_engine(engine, "absent", QUERIES, K)
        assert {key for _, _, key in server.asked} == {"s3cret"}
        changes = [path for method, path, _ in server.asked if "points" in path and method == "PUT"]
        changes += [path for _, path, _ in server.asked if "delete" in path]
        assert len(changes) == 5 and all("wait=true" in path for path in changes)
    monkeypatch.setenv("QDRANT_API_KEY", "wr0ng")
    with serving(key="s3cret") as (address, _), pytest.raises(I3Error) as caught:
        Qdrant(address)
    said = str(caught.value)
    assert "cannot be reached" in said and "401" in said and "\n" not in said
    assert "wr0ng" not in said
    with serving("1.15.5") as (address, _), pytest.raises(I3Error, match=r"1\.15\.5"):
        Qdrant(address)


@pytest.mark.slow
def test_documents_of_windows(world: Any, tmp_path: Path, capsys: Any) -> None:
    folder, *_ = world
    engine = address_of("qdrant", tmp_path)
    load_index(folder / "index", engine=engine, collection="windows")
    runs: list[dict[str, list[str]]] = []
    options = {"encoded_queries": folder / "queries", "hits": DOCUMENTS // 2}
    for where, more in ((folder / "index", {}), (engine, {"collection": "windows"})):
        output = tmp_path / f"run{len(runs)}.txt"
        search_topics(where, folder / "topics.tsv", output=output, **options, **more)
        run = read_run(output)
        runs.append(dict(run.hits(run.queries)))
    assert runs[0] == runs[1] and {len(own) for own in runs[1].values()} == {DOCUMENTS // 2}
    assert capsys.readouterr().err.count("(MaxP)") == 2


@pytest.mark.slow
def test_the_command(tmp_path: Path, place: Path, run_module: Run) -> None:
    """Loads, filters, writes a run and shows hits."""
    lines = (place / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [{**json.loads(line), "price": number} for number, line in enumerate(lines)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "c.jsonl").write_text(text, encoding="utf-8")
    import_collection(tmp_path / "c.jsonl", output=tmp_path / "data", keep="price")
    address, corpus = address_of("qdrant", tmp_path), tmp_path / "data" / "corpus"
    done = run_module(
        *("i3_pyserini", "index", "load", place / "index", "--engine", address),
        *("--collection", "p", "--corpus", corpus),
        check=True,
    )
    assert f"has {len(rows)} passages, {len(rows)} of them sent now" in done.stdout
    few = '{"must": [{"key": "price", "range": {"lt": 7}}]}'
    searched = ("i3_pyserini", "search", address, "--collection", "p", "--filter", few)
    done = run_module(*searched, "--query", "hot egg", "--json", check=True)
    found = json.loads(done.stdout)["hits"]
    assert sorted(hit["metadata"]["price"] for hit in found) == list(range(7))
    run = tmp_path / "run.txt"
    run_module(*searched, place / "topics.tsv", "--output", run, check=True)
    assert set(dict(read_run(run).hits(["q0"]))["q0"]) == {f"d{n}" for n in range(7)}
    done = run_module(*searched[:-1], few.replace("price", "prize"), "--query", "hot egg")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.slow
def test_the_page(tmp_path: Path, place: Path) -> None:
    """The Python lines of docs/how-to/engines.md."""
    lines = (place / "corpus.jsonl").read_text(encoding="utf-8").splitlines()[:6]
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    shutil.copytree(place / "model", tmp_path / "MODEL")
    code = block("In Python", "python", "docs/how-to/engines.md")
    loaded, hits = run_code(code, tmp_path).splitlines()[-2:]
    assert loaded == code.split("# ")[1].splitlines()[0]
    assert sorted(ast.literal_eval(hits)) == [f"d{n}" for n in range(6)]
