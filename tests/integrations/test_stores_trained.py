"""A trained I³ in each vector engine: runs, filters and updates equal to those of its index."""

import json
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
from tests.integrations.odd_texts import passages, queries
from tests.integrations.stores import address_of, need

pytestmark = pytest.mark.slow
HITS = 100
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

    engine: str
    address: str
    index: Path
    topics: Path
    rows: list[dict[str, Any]]


@pytest.fixture(scope="module", params=["milvus"])  # Qdrant's folder is too slow for 1,000
def loaded(
    request: pytest.FixtureRequest, trained: Trained, tmp_path_factory: pytest.TempPathFactory
) -> Loaded:
    need(request.param)
    place = tmp_path_factory.mktemp(request.param)
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
    address = address_of(request.param, place)
    corpus = place / "data" / "corpus"
    done = load_index(trained.index, engine=address, collection="p", corpus=corpus)
    assert (done.passages, done.sent) == (1000, 1000)
    return Loaded(request.param, address, trained.index, topics, rows)


def run_of(path: Path, *words: Any, **options: Any) -> dict[str, list[str]]:
    search_topics(*words, output=path, overwrite=True, **options)
    run = read_run(path)
    return dict(run.hits(run.queries))


def test_runs_are_those_of_the_index(loaded: Loaded, tmp_path: Path) -> None:
    run = tmp_path / "run.txt"
    ours = run_of(run, loaded.index, loaded.topics, hits=HITS)
    theirs = run_of(run, loaded.address, loaded.topics, hits=HITS, collection="p")
    assert len(ours) == 64 and theirs == ours
    every = run_of(run, loaded.index, loaded.topics, hits=1000)
    for condition, holds in zip(
        FILTERS[loaded.engine],
        (
            lambda row: row.get("price", 9) < 2.5 and row["kind"] == "b",
            lambda row: "price" not in row,
        ),
        strict=True,
    ):
        kept = {row["id"] for row in loaded.rows if holds(row)}
        found = run_of(
            run, loaded.address, loaded.topics, hits=20, collection="p", filter=condition
        )
        expected = {
            query: [one for one in hits if one in kept][:20] for query, hits in every.items()
        }
        assert found == expected


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
    before, index, run = loaded.rows[400:460], tmp_path / "INDEX", tmp_path / "run.txt"
    address = address_of(loaded.engine, tmp_path)
    changed = [{**row, "text": f"starch {row['text'][:40]}"} for row in before[10:14]]
    new = [{**row, "id": f"new{row['id']}"} for row in loaded.rows[500:503]]
    after = [*new[:1], *before[5:10], *changed, *before[14:], *new[1:]]
    for rows, sent, removed in ((before, 60, 0), (after, 7, 5), (before, 9, 3)):
        corpus = tmp_path / "corpus.jsonl"
        corpus.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        older = index if index.exists() else None
        i3.encode_corpus(
            corpus, model=trained.model, output=index, update=older, overwrite=bool(older)
        )
        done = load_index(index, engine=address, collection="p", batch_size=16)
        assert (done.passages, done.sent, done.removed) == (len(rows), sent, removed)
        ours = run_of(run, index, loaded.topics, hits=20)
        assert run_of(run, address, loaded.topics, hits=20, collection="p") == ours


def test_another_model_is_refused(loaded: Loaded, trained: Trained) -> None:
    with pytest.raises(I3Error, match=r"pooling|model|encoded"):
        search_topics(loaded.address, query="x", collection="p", model=trained.backbone)
