"""The hits of one query, printed and as JSON."""

import json
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.data import import_collection
from i3_pyserini.encode.runner import run_encoding
from i3_pyserini.encode.spec import EncoderSpec
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.search import open_index, search_topics
from i3_pyserini.search.found import SHOWN, FoundPassages, PassageHit
from i3_pyserini.search.options import Feedback
from tests.conftest import Run

CSV = "id,title,text,price\na,Eggs,boil an egg,1.5\nb,,hot water,20\nc,Ice,cold water,\n"


@pytest.fixture(scope="module")
def index(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("query")
    (folder / "faq.csv").write_text(CSV, encoding="utf-8")
    import_collection(folder / "faq.csv", output=folder / "faq", keep="price")
    model = EncoderSpec(str(place / "model"), "i3")
    run_encoding(Corpus(folder / "faq" / "corpus"), model, IndexOutput(folder / "index"))
    return folder / "index"


def test_hits_have_titles_texts_and_metadata(index: Path) -> None:
    found = search_topics(index, query="boil an egg")
    assert list(found.hits) == open_index(index).search("boil an egg", k=10)
    by_id = {hit.docid: hit for hit in found.hits}
    assert sorted(by_id) == ["a", "b", "c"]
    assert [(by_id[one].title, by_id[one].metadata) for one in "abc"] == [
        ("Eggs", {"price": 1.5}),
        (None, {"price": 20.0}),
        ("Ice", {}),
    ]
    assert len(search_topics(index, query="egg", hits=2).hits) == 2


def test_the_command(index: Path, run_module: Run) -> None:
    words = ("i3_pyserini", "search", index, "--query", "boil an egg", "--hits", 2)
    printed = run_module(*words, check=True).stdout
    expected = search_topics(index, query="boil an egg", hits=2)
    assert printed == f"{expected}\n"
    for hit in expected.hits:
        assert f"{hit.rank}  {hit.score:.4f}  {hit.docid}" in printed and str(hit.text) in printed
    found = json.loads(run_module(*words, "--json", check=True).stdout)
    assert found["query"] == "boil an egg"
    keys = ["rank", "score", "id", "title", "text", "metadata"]
    assert [list(hit) for hit in found["hits"]] == [keys] * 2
    assert [hit["id"] for hit in found["hits"]] == [hit.docid for hit in expected.hits]


def test_how_hits_are_printed() -> None:
    hits = [
        PassageHit("d1", 0.5, 1, "T", "a word\n" * 100, {"price": 1.5, "tags": ["ü"], "url": "x"}),
        PassageHit("d2", 0.25, 2),
    ]
    lines = str(FoundPassages("q", tuple(hits))).splitlines()
    assert lines[0] == "  1  0.5000  d1  T" and lines[-1] == "  2  0.2500  d2"
    assert lines[-2] == '    price: 1.5, tags: ["ü"], url: x'
    text = " ".join(line.strip() for line in lines[1:-2])
    assert text.startswith("a word a word") and text.endswith("…") and len(text) <= SHOWN
    assert str(FoundPassages("q", ())) == "no hits"


@pytest.mark.parametrize(
    "more",
    [
        {"topics": "topics.tsv"},
        {"output": "run.txt"},
        {"tag": "x"},
        {"overwrite": True},
        {"remove_query": True},
        {"output_format": "msmarco"},
        {"feedback": Feedback(prf_depth=2)},
        {"encoded_queries": "encoded"},
    ],
)
def test_options_of_runs_are_refused(index: Path, more: dict[str, Any]) -> None:
    with pytest.raises(I3Error, match="query shows hits"):
        search_topics(index, query="egg", **more)


@pytest.mark.parametrize("query", ["", " \t"])
def test_an_empty_query_is_refused(index: Path, query: str) -> None:
    with pytest.raises(I3Error, match="the query is empty"):
        search_topics(index, query=query)
    with pytest.raises(I3Error, match="the query is empty"):
        open_index(index).search(query)


def test_a_corpus_in_another_place(index: Path, tmp_path: Path, run_module: Run) -> None:
    moved = tmp_path / "moved.jsonl"
    moved.write_text(
        '{"id": "a", "text": "A"}\n{"id": "b", "text": "B"}\n{"id": "c", "text": "C"}\n',
        encoding="utf-8",
    )
    (tmp_path / "cache").mkdir()
    words = ("--query", "egg", "--corpus", moved, "--cache", tmp_path / "cache", "--json")
    found = json.loads(run_module("i3_pyserini", "search", index, *words, check=True).stdout)
    assert sorted((hit["id"], hit["text"]) for hit in found["hits"]) == [
        ("a", "A"),
        ("b", "B"),
        ("c", "C"),
    ]
    assert len(list((tmp_path / "cache").iterdir())) == 1
    with pytest.raises(I3Error, match="corpus and cache"):
        search_topics(index, "topics.tsv", output=tmp_path / "run.txt", corpus=moved)


def test_what_is_missing_is_named(index: Path, run_module: Run) -> None:
    done = run_module("i3_pyserini", "search", index)
    assert done.returncode == 2 and "query" in done.stderr and "topics and output" in done.stderr
    with pytest.raises(I3Error, match="filter require a vector engine"):
        search_topics(index, query="egg", filter="price < 2")
