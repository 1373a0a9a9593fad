"""Metadata in Milvus: fields, filters, and hits equal to exact search of what satisfies them."""

import importlib.util
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i3_pyserini.data import import_collection
from i3_pyserini.errors import I3Error
from i3_pyserini.search import search_topics
from i3_pyserini.search.searcher import Searcher
from tests.conftest import Run
from tests.search.conftest import place
from tests.search.test_searcher import random_vectors, write_index

if importlib.util.find_spec("pymilvus") is None or importlib.util.find_spec("milvus_lite") is None:
    pytest.skip("needs an engine: pip install 'i3-pyserini[engine]'", allow_module_level=True)

from i3_pyserini.integrations import load_index
from i3_pyserini.integrations.milvus import Milvus
from i3_pyserini.search.engine import Collection, search_engine

PASSAGES, K = 200, 10
__all__ = ["place"]  # a fixture
Row = dict[str, Any]


def row_of(number: int) -> Row:
    row: Row = {"id": f"d{number}", "text": f"text {number}"}
    if number % 4:
        row |= {"price": number / 4, "stock": number % 7, "new": number % 2 == 0}
    return row | {"Shop name": f'shop "{number % 3}"', "tags": [str(number % 5)]}


def write_place(folder: Path, rows: list[Row]) -> Path:
    (folder / "c.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
    )
    keep = "price,stock,new,Shop name,tags"
    import_collection(folder / "c.jsonl", output=folder / "data", keep=keep)
    index = write_index(folder / "index", random_vectors(len(rows)))
    corpus = {"path": str(folder / "data" / "corpus")}
    (index / "manifest.json").write_text(
        json.dumps({"format": 2, "corpus": corpus}), encoding="utf-8"
    )
    return index


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("metadata")
    return write_place(folder, [row_of(number) for number in range(PASSAGES)])


@pytest.fixture(scope="module")
def engine(index: Path) -> Iterator[Milvus]:
    address = f"milvus:{index.parent / 'engine.db'}"
    load_index(index, engine=address, collection="p", batch_size=64)
    engine = Milvus(address)
    yield engine
    engine.close()


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("price < 20", lambda row: row.get("price", 99) < 20),
        (
            "price >= 10 and stock in [1, 2]",
            lambda row: row.get("price", 0) >= 10 and row["stock"] in (1, 2),
        ),
        ("new == true", lambda row: row.get("new") is True),
        ("price is null", lambda row: "price" not in row),
        ('Shop_name == "shop \\"1\\""', lambda row: row["Shop name"] == 'shop "1"'),
        ('json_contains(tags, "3")', lambda row: row["tags"] == ["3"]),
        ("price > 1000", lambda row: False),
        (None, lambda row: True),
    ],
)
def test_hits_are_those_of_exact_search_of_what_satisfies_it(
    index: Path, engine: Milvus, condition: str | None, holds: Callable[[Row], bool]
) -> None:
    queries = random_vectors(5, seed=1)
    hits, docids = search_engine(engine, "p", queries, K, filter=condition)
    kept = [number for number in range(PASSAGES) if holds(row_of(number))]
    exact = Searcher(index).search_arrays(queries, PASSAGES).rows.tolist()
    for query, rows in enumerate(exact):
        expected = [f"d{row}" for row in rows if row in kept][:K]
        assert [docids[row] for row in hits.rows[query].tolist() if row >= 0] == expected


def test_metadata_of_hits_are_those_of_the_corpus(engine: Milvus) -> None:
    found = Collection(engine, "p").metadata(["d1", "d4"])
    rows = {f"d{number}": row_of(number) for number in (1, 4)}
    expected = {
        docid: {key: value for key, value in row.items() if key not in ("id", "text")}
        for docid, row in rows.items()
    }
    assert found == expected
    assert Collection(engine, "p").metadata([]) == {}


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("prize < 2", "unknown field 'prize'"),
        ("price <", "price <"),
        ("price < 'a'", "incompatible types"),
        ("stock", "must evaluate to bool"),
    ],
)
def test_invalid_conditions_are_one_line(engine: Milvus, condition: str, said: str) -> None:
    with pytest.raises(I3Error) as caught:
        search_engine(engine, "p", random_vectors(1), K, filter=condition)
    assert said in str(caught.value) and "filter" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_new_values_are_taken_over_and_other_fields_are_refused(
    index: Path, tmp_path: Path
) -> None:
    rows = [row_of(number) for number in range(20)]
    address = f"milvus:{tmp_path / 'engine.db'}"
    small = write_place(tmp_path, rows)
    load_index(small, engine=address, collection="p")
    assert load_index(small, engine=address, collection="p").sent == 0
    for name in ("values", "fields"):
        (tmp_path / name).mkdir()
    write_place(tmp_path / "values", [{**row, "price": 7.5} for row in rows[:9]] + rows[9:])
    write_place(tmp_path / "fields", [{**row, "price": "much"} for row in rows])
    corpus = tmp_path / "values" / "data" / "corpus"
    assert load_index(small, engine=address, collection="p", corpus=corpus).sent == 9
    with closing(Milvus(address)) as engine:
        found = Collection(engine, "p").metadata([f"d{number}" for number in range(20)])
    assert [found[f"d{number}"].get("price") for number in range(20)] == [7.5] * 9 + [
        row.get("price") for row in rows[9:]
    ]
    with pytest.raises(I3Error, match="other metadata"):
        load_index(
            small, engine=address, collection="p", corpus=tmp_path / "fields" / "data" / "corpus"
        )


def test_a_corpus_that_lacks_a_passage_and_one_that_is_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = write_place(tmp_path, [row_of(number) for number in range(5)])
    address = f"milvus:{tmp_path / 'engine.db'}"
    (tmp_path / "data" / "corpus" / "corpus.jsonl").rename(tmp_path / "kept.jsonl")
    for path in (tmp_path / "data" / "corpus").iterdir():
        path.unlink()
    (tmp_path / "data" / "corpus").rmdir()
    load_index(index, engine=address, collection="without")
    assert "does not exist any more" in capsys.readouterr().err
    engine = Milvus(address)
    assert Collection(engine, "without").metadata(["d1"]) == {}
    engine.close()


def test_the_command(tmp_path: Path, place: Path, run_module: Run) -> None:
    """Loads, filters, writes a run and shows hits."""
    lines = [
        json.loads(line)
        for line in (place / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    rows = [{**line, "price": number} for number, line in enumerate(lines)]
    (tmp_path / "c.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
    )
    import_collection(tmp_path / "c.jsonl", output=tmp_path / "data", keep="price")
    address, corpus = f"milvus:{tmp_path / 'e.db'}", tmp_path / "data" / "corpus"
    load_index(place / "index", engine=address, collection="p", corpus=corpus)
    searched = ("i3_pyserini", "search", address, "--collection", "p", "--filter", "price < 7")
    done = run_module(*searched, "--query", "hot egg", "--json", check=True)
    found = json.loads(done.stdout)["hits"]
    assert sorted(hit["metadata"]["price"] for hit in found) == list(range(7))
    assert {(hit["title"], hit["text"]) for hit in found} == {(None, None)}
    done = run_module(*searched, "--query", "hot egg", "--json", "--corpus", corpus, check=True)
    texts = {line["id"]: line["text"] for line in lines}
    assert all(hit["text"] == texts[hit["id"]] for hit in json.loads(done.stdout)["hits"])
    run = tmp_path / "run.txt"
    run_module(*searched, place / "topics.tsv", "--output", run, check=True)
    assert {line.split()[2] for line in run.read_text(encoding="utf-8").splitlines()} == {
        f"d{n}" for n in range(7)
    }
    done = run_module(*searched[:-1], "prize < 7", "--query", "hot egg")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    np.testing.assert_allclose(
        [hit["score"] for hit in found],
        [
            hit.score
            for hit in search_topics(place / "index", query="hot egg", hits=60).hits
            if int(hit.docid[1:]) < 7
        ],
        atol=1e-4,
    )
