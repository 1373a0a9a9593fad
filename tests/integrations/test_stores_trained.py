"""A trained I³ in each vector engine: runs, filters and updates equal to those of its index."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import i3_pyserini as i3
from i3_pyserini.data import import_collection
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.runs import read_run
from i3_pyserini.integrations import load_index
from i3_pyserini.search import search_topics
from tests.integrations.conftest import Trained
from tests.integrations.odd_texts import PASSAGES, passages, queries
from tests.integrations.qdrant_server import serving
from tests.integrations.stores import ENGINES, address_of, need

pytestmark = pytest.mark.slow
ROUNDING = 1e-6  # each engine adds up float32 products in its own order
FILTERS = {
    "milvus": ("price < 2.5 and kind == 'b'", "price is null"),
    "qdrant": (
        '{"must": [{"key": "price", "range": {"lt": 2.5}}], '
        '"must_not": [{"key": "kind", "match": {"any": ["a", "c"]}}]}',
        '{"must": [{"is_empty": {"key": "price"}}]}',
    ),
}


@dataclass(frozen=True)
class Loaded:
    """The trained index in an engine, whose passages have a price and a kind."""

    address: str
    index: Path
    topics: Path
    rows: list[dict[str, Any]]


@pytest.fixture(scope="module", params=ENGINES)
def address(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """An empty engine; Qdrant in the memory of a server, since its folder takes 40 ms a point."""
    need(request.param)
    if request.param == "qdrant":
        with serving() as (address, _):
            yield address
    else:
        yield address_of(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def loaded(address: str, trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    place = tmp_path_factory.mktemp("loaded")
    rows: list[dict[str, Any]] = [
        {**one, "kind": "abc"[row % 3], **({"price": row % 50 / 10} if row % 7 else {})}
        for row, one in enumerate(passages())
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (place / "c.jsonl").write_text(lines, encoding="utf-8")
    import_collection(place / "c.jsonl", output=place / "data", keep="kind,price")
    topics = place / "topics.tsv"
    asked = (" ".join(text.split()) for text in queries())
    topics.write_text("".join(f"q{n}\t{text or 'x'}\n" for n, text in enumerate(asked)), "utf-8")
    corpus = place / "data" / "corpus"
    done = load_index(trained.index, engine=address, collection="p", corpus=corpus)
    assert (done.passages, done.sent) == (PASSAGES, PASSAGES)
    return Loaded(address, trained.index, topics, rows)


def run_of(path: Path, *words: Any, **options: Any) -> dict[str, dict[str, float]]:
    """The hits of each query and their scores, the best first."""
    search_topics(*words, output=path, overwrite=True, **options)
    run: dict[str, dict[str, float]] = {}
    for query, docid, _, score in read_run(path).table.iter_rows():
        run.setdefault(query, {})[docid] = score
    return run


def assert_same(
    found: Mapping[str, Mapping[str, float]], wanted: Mapping[str, Mapping[str, float]], k: int
) -> None:
    """The first k hits are the same, in the same order but for scores that differ by rounding.

    Args:
        found: hits of each query.
        wanted: hits of each query, all there are.
        k: how many are compared.
    """
    assert found.keys() == wanted.keys()
    for query, scores in wanted.items():
        hits = found[query]
        assert len(hits) == min(k, len(scores))
        for docid, expected in zip(hits, scores, strict=False):
            assert docid == expected or abs(scores[docid] - scores[expected]) <= ROUNDING
            assert abs(hits[docid] - scores[docid]) <= ROUNDING


def test_runs_are_those_of_the_index(loaded: Loaded, tmp_path: Path) -> None:
    run, rows = tmp_path / "run.txt", {row["id"]: row for row in loaded.rows}
    every = run_of(run, loaded.index, loaded.topics, hits=PASSAGES)
    assert len(every) == 64 and all(len(hits) == PASSAGES for hits in every.values())
    for k in (10, PASSAGES):
        found = run_of(run, loaded.address, loaded.topics, hits=k, collection="p")
        assert_same(found, every, k)
    for condition, holds in zip(
        FILTERS[loaded.address.partition(":")[0]],
        (
            lambda row: row.get("price", 9) < 2.5 and row["kind"] == "b",
            lambda row: "price" not in row,
        ),
        strict=True,
    ):
        found = run_of(
            run, loaded.address, loaded.topics, hits=20, collection="p", filter=condition
        )
        kept = {
            query: {one: score for one, score in hits.items() if holds(rows[one])}
            for query, hits in every.items()
        }
        assert_same(found, kept, 20)


def test_metadata_of_hits(loaded: Loaded) -> None:
    found = search_topics(loaded.address, query="starch in a leaf", collection="p", hits=30)
    rows = {row["id"]: row for row in loaded.rows}
    assert len(found.hits) == 30
    for hit in found.hits:
        row = rows[hit.docid]
        assert hit.metadata == {name: row[name] for name in ("kind", "price") if name in row}


def test_an_updated_index_updates_its_collection(
    loaded: Loaded, trained: Trained, tmp_path: Path
) -> None:
    """`encode_corpus(update=…)`, in place: only what changed is sent."""
    before, index, run = loaded.rows[100:160], tmp_path / "INDEX", tmp_path / "run.txt"
    changed = [{**row, "text": f"starch {row['text'][:40]}"} for row in before[10:14]]
    new = [{**row, "id": f"new{row['id']}"} for row in loaded.rows[170:173]]
    after = [*new[:1], *before[5:10], *changed, *before[14:], *new[1:]]
    for rows, sent, removed in ((before, 60, 0), (after, 7, 5), (before, 9, 3)):
        corpus = tmp_path / "corpus.jsonl"
        corpus.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        older = index if index.exists() else None
        i3.encode_corpus(
            corpus, model=trained.model, output=index, update=older, overwrite=bool(older)
        )
        done = load_index(index, engine=loaded.address, collection="u", batch_size=16)
        assert (done.passages, done.sent, done.removed) == (len(rows), sent, removed)
        found = run_of(run, loaded.address, loaded.topics, hits=20, collection="u")
        assert_same(found, run_of(run, index, loaded.topics, hits=len(rows)), 20)


def test_another_model_is_refused(loaded: Loaded, trained: Trained) -> None:
    with pytest.raises(I3Error, match=r"pooling|model|encoded"):
        search_topics(loaded.address, query="x", collection="p", model=trained.backbone)
