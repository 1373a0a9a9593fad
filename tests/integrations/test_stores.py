"""Loading, updating and searching a vector engine: what holds for each of them."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.hits import Scores
from i3_pyserini.integrations.copying import Copied, copy_index
from i3_pyserini.search.engine import ENGINES as PREFIXES
from i3_pyserini.search.engine import Collection, open_engine, search_engine
from i3_pyserini.search.searchable import LoadedCollection
from i3_pyserini.search.topics import ENGINE
from tests.integrations.stores import (
    CHANGES,
    ENGINES,
    address_of,
    assert_exact,
    exact_hits,
    hits_of,
    opened,
    random_vectors,
    rewrite,
    write_index,
)

PASSAGES = 300
QUERIES = random_vectors(12, seed=1)
ODD = ['d"1"', "d\\2", "d'3", "葉", "d=5"]


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    with opened(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return write_index(tmp_path / "index", random_vectors(PASSAGES))


def after(count: int = PASSAGES) -> tuple[Scores, list[str]]:
    """An index in its next state: 10 passages gone, 7 changed, 5 new, those in another order."""
    vectors, ids = random_vectors(count)[10:], [f"d{row}" for row in range(10, count)]
    vectors[[3, 50, 51, 52, 100, 101, count - 11]] = random_vectors(7, seed=7)
    order = np.random.default_rng(2).permutation(len(ids))
    new = random_vectors(5, seed=8)
    return np.vstack([vectors[order], new]), [*(ids[row] for row in order), *ODD]


@pytest.mark.parametrize("unit", [False, True])
def test_hits_are_those_of_exact_search(store: Any, tmp_path: Path, unit: bool) -> None:
    vectors = random_vectors(PASSAGES)
    if unit:
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    else:  # inner product: the longest vectors win, whatever their direction
        vectors *= np.linspace(0.1, 10, PASSAGES, dtype=np.float32)[:, None]
    index = write_index(tmp_path / "index", vectors)
    assert copy_index(store, index, "p", batch=64) == Copied(PASSAGES, PASSAGES, 0)
    assert_exact(store, "p", index, QUERIES)
    assert_exact(store, "p", index, QUERIES, PASSAGES)


def test_ties_are_in_the_order_of_exact_search(store: Any, tmp_path: Path) -> None:
    vectors = np.float32(0.25) * (random_vectors(100) * 4).round()  # sums without rounding: ties
    vectors[50:60] = vectors[0]
    index = write_index(tmp_path / "equal", vectors)
    copy_index(store, index, "p")
    for k in (1, 5, 11, 100):
        assert_exact(store, "p", index, vectors[:1], k)


def test_the_same_again_sends_nothing(store: Any, index: Path, spied: list[str]) -> None:
    copy_index(store, index, "p")
    spied.clear()
    assert copy_index(store, index, "p", batch=7) == Copied(PASSAGES)
    assert spied == []


def test_what_changed_is_taken_over(store: Any, index: Path, spied: list[str]) -> None:
    copy_index(store, index, "p", batch=64)
    rewrite(index, *after())
    spied.clear()
    assert copy_index(store, index, "p", batch=64) == Copied(PASSAGES - 5, 12, 10)
    assert spied[0] == spied[-1] == "write_record" and "delete" in spied
    assert_exact(store, "p", index, QUERIES)
    assert copy_index(store, index, "p") == Copied(PASSAGES - 5)
    rewrite(index, random_vectors(PASSAGES), [f"d{row}" for row in range(PASSAGES)])  # and back
    assert copy_index(store, index, "p") == Copied(PASSAGES, 17, 5)
    assert_exact(store, "p", index, QUERIES)


def test_rows_that_an_engine_lost_are_sent_again(store: Any, index: Path) -> None:
    """As where a cluster took only some rows of a batch before it was lost."""
    copy_index(store, index, "p")
    keys = [key for batch, _ in store.rows("p") for key in batch]
    store.delete("p", keys[5:8])
    assert copy_index(store, index, "p") == Copied(PASSAGES, 3, 0)
    assert_exact(store, "p", index, QUERIES)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_interrupted_before_any_change(engine: str, tmp_path: Path) -> None:
    """Whatever has been done, a search refuses or is right, and the same load completes it."""
    index = write_index(tmp_path / "index", random_vectors(60))
    before = exact_hits(index, QUERIES, 10)
    with opened(engine, tmp_path) as store:
        copy_index(store, index, "p0", batch=16)
        for at in range(20):
            name = f"p{at}"
            if at:
                rewrite(index, random_vectors(60), [f"d{row}" for row in range(60)])
                copy_index(store, index, name, batch=16)
            rewrite(index, *after(120))
            try:
                with _interrupting(store, at):
                    copy_index(store, index, name, batch=16)
            except KeyboardInterrupt:
                if at == 0:
                    assert hits_of(store, name, QUERIES, 10) == before
                else:
                    with pytest.raises(I3Error, match="not completely loaded"):
                        search_engine(store, name, QUERIES, 10)
                copy_index(store, index, name, batch=16)
                assert hits_of(store, name, QUERIES, 10) == exact_hits(index, QUERIES, 10)
            else:
                break
        assert at > 9  # the record, eight batches, a deletion, …


@contextmanager
def _interrupting(store: Any, at: int) -> Iterator[None]:
    """Interrupts before change `at`."""
    left = iter([False] * at + [True])

    def wrapped(change: Any) -> Any:
        def call(*values: Any) -> None:
            if next(left):
                raise KeyboardInterrupt
            change(*values)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in CHANGES:
            patch.setattr(store, name, wrapped(getattr(store, name)))
        yield


@pytest.fixture
def spied(store: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of changing calls."""
    names: list[str] = []

    def wrapped(name: str, change: Any) -> Any:
        def call(*values: Any) -> None:
            names.append(name)
            change(*values)

        return call

    for name in CHANGES:
        monkeypatch.setattr(store, name, wrapped(name, getattr(store, name)))
    return names


def test_a_change_during_a_search_is_an_error(store: Any, index: Path) -> None:
    copy_index(store, index, "p")
    collection = Collection(store, "p")
    collection.search(QUERIES, 5)
    rewrite(index, *after())
    copy_index(store, index, "p")
    with pytest.raises(I3Error, match="'p' was changed during the search"):
        collection.search(QUERIES, 5)
    with _interrupting(store, 1), pytest.raises(KeyboardInterrupt):
        rewrite(index, random_vectors(9), [f"d{row}" for row in range(9)])
        copy_index(store, index, "p")
    with pytest.raises(I3Error, match="not completely loaded"):
        collection.search(QUERIES, 5)


def test_another_load_meanwhile_is_an_error(
    store: Any, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush = store.flush

    def other(name: str) -> None:
        monkeypatch.setattr(store, "flush", flush)
        copy_index(store, index, name)

    copy_index(store, index, "p")
    rewrite(index, *after())
    monkeypatch.setattr(store, "flush", other)
    with pytest.raises(I3Error, match="changed by another load"):
        copy_index(store, index, "p")
    assert copy_index(store, index, "p").sent == 0  # both had the same rows
    assert_exact(store, "p", index, QUERIES)


def test_a_load_takes_back_the_mark_of_another_that_ended_meanwhile(
    store: Any, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other looked before this load began, and marks the collection after a batch of this."""
    copy_index(store, index, "p")
    complete, upsert = store.described("p").record, store.upsert
    rewrite(index, *after())

    def overtaken(name: str, rows: Any) -> None:
        monkeypatch.setattr(store, "upsert", upsert)
        upsert(name, rows)
        store.write_record(name, complete)

    monkeypatch.setattr(store, "upsert", overtaken)
    with pytest.raises(I3Error, match="changed by another load"):
        copy_index(store, index, "p", 4)
    with pytest.raises(I3Error, match="not completely loaded"):
        hits_of(store, "p", QUERIES, 3)
    copy_index(store, index, "p")
    assert_exact(store, "p", index, QUERIES)


def _with_manifest(index: Path, **values: Any) -> Path:
    manifest = {"model": {"name": "m", "fingerprint": "f"}, "corpus": {"path": "/c"}, **values}
    (index / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return index


def test_only_states_of_one_index_are_updates(store: Any, index: Path, tmp_path: Path) -> None:
    copy_index(store, _with_manifest(index), "p")
    other = write_index(tmp_path / "other", *after())
    for values, said in (
        ({"corpus": {"path": "/other"}}, "'p' is of another index"),
        ({"model": {"name": "m", "fingerprint": "g"}}, "encoded differently"),
        ({"titles": False}, "encoded differently"),
    ):
        with pytest.raises(I3Error, match=said):
            copy_index(store, _with_manifest(other, **values), "p")
    assert_exact(store, "p", index, QUERIES)  # a refused load has changed nothing
    assert copy_index(store, _with_manifest(other), "p").sent == 12  # the same corpus
    updated = {"corpus": {"path": "/moved"}, "update": {"of": str(other.resolve())}}
    third = _with_manifest(write_index(tmp_path / "third", random_vectors(9)), **updated)
    assert copy_index(store, third, "p").removed  # made from the last one by an update
    shutil.move(third, tmp_path / "moved")
    assert copy_index(store, tmp_path / "moved", "p") == Copied(9)  # the same vectors elsewhere


def test_mistakes(store: Any, index: Path, tmp_path: Path) -> None:
    with pytest.raises(I3Error, match="no collection 'absent'; available: none"):
        search_engine(store, "absent", QUERIES, 3)
    copy_index(store, index, "p")
    for vectors, k, said in (
        (QUERIES, store.most_hits + 1, f"k is {store.most_hits + 1:,}; {store.name} supports"),
        (QUERIES, 0, "k is 0; "),
        (np.full((2, 16), np.nan, np.float32), 3, "query 1 of 2: its vector is not finite"),
        (random_vectors(2, 8), 3, "16 dimensions, but the queries' have 8"),
    ):
        with pytest.raises(I3Error, match=said):
            search_engine(store, "p", vectors, k)
    broken = random_vectors(50)
    broken[7] = np.inf
    with pytest.raises(I3Error, match="the vector of 'd7' is not finite"):
        copy_index(store, write_index(tmp_path / "broken", broken), "broken")
    with pytest.raises(I3Error, match="'broken' is not completely loaded"):
        search_engine(store, "broken", QUERIES, 3)
    twice = write_index(tmp_path / "twice", random_vectors(3), ["a", "b", "a"])
    with pytest.raises(I3Error, match="id 'a' occurs twice"):
        copy_index(store, twice, "twice")
    rewrite(index, random_vectors(5, 8), [f"d{row}" for row in range(5)])
    with pytest.raises(I3Error, match="16 dimensions, but"):
        copy_index(store, index, "p")
    with pytest.raises(I3Error, match="HNSW"):
        copy_index(store, index, "p", kind="HNSW")


def test_a_collection_of_others_is_refused(store: Any, index: Path) -> None:
    store.create("theirs", 16, "FLAT", {}, "")
    for call in (
        lambda: copy_index(store, index, "theirs"),
        lambda: search_engine(store, "theirs", QUERIES, 3),
    ):
        with pytest.raises(I3Error, match="'theirs': was not loaded by"):
            call()


def test_a_collection_of_an_earlier_state_is_named(
    store: Any, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_index(store, _with_manifest(index, corpus={"path": "/c", "sha256": "old"}), "p")
    Collection(store, "p").note_stale()
    assert not capsys.readouterr().err
    _with_manifest(index, corpus={"path": "/c", "sha256": "new"})
    Collection(store, "p").note_stale()
    said = capsys.readouterr().err
    assert f"earlier state of {index}" in said and "index load" in said


@pytest.mark.parametrize("engine", ENGINES)
def test_a_refused_search_lets_the_engine_go(engine: str, tmp_path: Path) -> None:
    index = write_index(tmp_path / "index", random_vectors(3))
    with opened(engine, tmp_path, memory=False) as store:
        copy_index(store, index, "p")
    address = address_of(engine, tmp_path)
    for name, k in (("absent", 3), ("p", 2_000_000)):
        with pytest.raises(I3Error) as kept:  # as a notebook keeps the last traceback
            LoadedCollection(address, name, k)
        open_engine(address).close()
        assert kept.traceback


def test_addresses() -> None:
    assert tuple(f"{name}:" for name in PREFIXES) == ENGINE
    with pytest.raises(I3Error, match="begins with milvus: or qdrant:"):
        open_engine("elastic:x")
