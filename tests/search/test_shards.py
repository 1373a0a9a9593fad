"""Shards of an encoding, searched without merging them: the hits of the merged index."""

import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import i3_pyserini as i3
from i3_pyserini.encode.chunking import Chunker
from i3_pyserini.encode.runner import Encoding, run_encoding
from i3_pyserini.encode.scan import Shard
from i3_pyserini.encode.spec import EncoderSpec
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.vector_files import open_index
from i3_pyserini.formats.windows import Windowing
from i3_pyserini.search.flat import FlatVectors
from i3_pyserini.search.index.approximate import build_index
from i3_pyserini.search.options import Feedback
from i3_pyserini.search.searcher import Searcher
from tests.conftest import Run
from tests.search.conftest import PASSAGES, QUERIES
from tests.search.shards import NUMBER, Tied, hits_of, make_shards
from tests.search.test_searcher import random_vectors, write_index


@pytest.fixture(scope="module")
def shards(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`SHARD-0` to `SHARD-2`, and `merged`."""
    folder = tmp_path_factory.mktemp("shards")
    make_shards(place, folder)
    return folder


@pytest.fixture(scope="module")
def tied(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Tied:
    return Tied(shards, tmp_path_factory.mktemp("tied"))


def lines(run: Path) -> list[str]:
    return run.read_text(encoding="utf-8").splitlines()


def assert_same(run: Path, other: Path) -> None:
    """The same hits, but for the order of scores that differ by rounding."""
    own, theirs = (
        [(line.split()[0], line.split()[2], float(line.split()[4])) for line in lines(one)]
        for one in (run, other)
    )
    assert [qid for qid, _, _ in own] == [qid for qid, _, _ in theirs]
    np.testing.assert_allclose([one[2] for one in own], [one[2] for one in theirs], rtol=1e-6)
    lowest = {qid: score for qid, _, score in theirs}  # others may be as good as the last
    known = {(qid, docid): score for qid, docid, score in theirs}
    for qid, docid, score in own:
        expected = known.get((qid, docid), lowest[qid])
        assert score == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"hits": 5},
        {"batch_size": 2, "remove_query": True},
        {"feedback": Feedback(prf_depth=3)},
    ],
)
def test_runs_are_those_of_the_merged_index(
    place: Path, shards: Path, tmp_path: Path, how: dict[str, Any]
) -> None:
    runs = [tmp_path / name for name in ("shards.txt", "merged.txt")]
    for index, run in zip(("SHARD-*", "merged"), runs, strict=True):
        i3.search_topics(shards / index, place / "topics.tsv", output=run, **how)
    assert_same(*runs)
    assert len(lines(runs[0])) == QUERIES * how.get("hits", PASSAGES)


def test_titles_and_texts(shards: Path) -> None:
    by_shards, merged = (i3.open_index(shards / name) for name in ("SHARD-*", "merged"))
    found, expected = (one.search("hot eggs", k=9) for one in (by_shards, merged))
    texts = [{hit.docid: (hit.title, hit.text) for hit in hits} for hits in (found, expected)]
    assert texts[0] == texts[1] and all(all(one) for one in texts[0].values())


def test_windows_move_with_their_shards(place: Path, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    for number in range(NUMBER):
        run_encoding(
            Corpus(place / "corpus.jsonl"),
            EncoderSpec(str(place / "model"), "i3"),
            IndexOutput(tmp_path / "old" / f"SHARD-{number}"),
            Encoding(shard=Shard(number, NUMBER), chunker=Chunker(Windowing("tokens", 8), None)),
        )
    (tmp_path / "old").rename(tmp_path / "new")
    index = i3.open_index(tmp_path / "new" / "SHARD-*", texts=True)
    hits = index.search("hot eggs", k=3)
    assert len(hits) == 3 and all(hit.text for hit in hits)


def test_the_run_says_what_was_searched(place: Path, shards: Path, run_module: Run) -> None:
    output = shards / "run.txt"
    done = run_module(
        "i3_pyserini", "search", shards / "SHARD-*", place / "topics.tsv", "--output", output,
        check=True,
    )  # fmt: skip
    assert f"{QUERIES} queries" in done.stdout
    facts = output.with_name("run.txt.ir_metadata.yaml").read_text(encoding="utf-8")
    assert "shards: 3" in facts and "SHARD-*" in facts


def test_one_file_at_a_time_is_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for number in range(4):
        folder = write_index(tmp_path / str(number), random_vectors(50 + number, seed=number))
        files.append(folder / "index")
    mapped: list[weakref.ref[Any]] = []
    most = 0

    def watched(path: Path) -> Any:
        nonlocal most
        vectors = open_index(path)
        mapped.append(weakref.ref(vectors))
        most = max(most, sum(one() is not None for one in mapped))
        return vectors

    monkeypatch.setattr("i3_pyserini.search.flat.open_index", watched)
    vectors = FlatVectors(files)
    everything = np.concatenate([random_vectors(50 + number, seed=number) for number in range(4)])
    assert vectors.shape == everything.shape
    queries = random_vectors(5, seed=9)
    scores, rows = vectors.search(queries, 60)
    exact = queries @ everything.T
    np.testing.assert_allclose(scores, -np.sort(-exact, axis=1)[:, :60], rtol=1e-5)
    np.testing.assert_array_equal(rows, np.argsort(-exact, axis=1, kind="stable")[:, :60])
    some = np.array([205, 0, 50, 49, 101, 0])
    np.testing.assert_array_equal(vectors[some], everything[some])
    assert most <= 2  # one is being replaced by the next


def test_equal_scores(tmp_path: Path) -> None:
    same = np.ones((4, 8), dtype=np.float32)
    files = [write_index(tmp_path / name, same) / "index" for name in "ab"]
    scores, rows = FlatVectors(files).search(same[:1], 6)
    assert scores.tolist() == [[8.0] * 6]
    assert len({*rows[0].tolist()}) == 6 and {0, 1, 2, 3} < {*rows[0].tolist()}


@pytest.mark.parametrize("index", ["SHARD-*", "merged"])
def test_ties_are_in_the_order_of_trec_eval(
    tied: Tied, tmp_path: Path, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = len(lines(tied.folder / "SHARD-0" / "docid"))
    for cells, k in ((1, 1), (200, 7), (1 << 24, most + 5), (1 << 24, PASSAGES)):
        monkeypatch.setattr("i3_pyserini.search.searcher.CELLS", cells)
        i3.search_topics(
            tied.folder / index,
            tied.topics,
            encoded_queries=tied.queries,
            hits=k,
            output=tmp_path / f"{k}.txt",
        )
        assert hits_of(tmp_path / f"{k}.txt") == tied.expected(k)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("SHARD-[01]", "shards missing (of 3, from 0): 2"),
        ("PART-*", "PART-*: no directory has such a name"),
        ("*", "merged: is a whole index, not a shard"),
    ],
)
def test_what_is_no_set_of_shards(shards: Path, pattern: str, said: str) -> None:
    with pytest.raises(I3Error) as refused:
        Searcher(shards / pattern)
    assert said in str(refused.value)


def test_a_pattern_that_the_shell_expanded(
    place: Path, shards: Path, tmp_path: Path, run_module: Run
) -> None:
    paths, topics = sorted(shards.glob("SHARD-*")), place / "topics.tsv"
    output = ("--output", tmp_path / "run.txt")
    for words in (
        ("i3_pyserini", "search", *paths, topics, *output),
        ("i3_pyserini", "search", *paths[:2], topics, *output),
        ("i3_pyserini", "search", "--index", *paths, "--topics", topics, *output),
        ("i3_pyserini", "search", *paths[:2], "--query", "hot eggs"),
        ("i3_pyserini.search", "--index", *paths, "--topics", topics, *output),
    ):
        done = run_module(*words)
        assert done.returncode == 2 and "put a pattern such as 'SHARD-*' in quotes" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_what_a_cluster_does_not_search(place: Path, shards: Path, tmp_path: Path) -> None:
    build_index(shards / "merged", output=tmp_path / "built", type="hnsw")
    for index, collection, said in (
        (str(tmp_path / "built"), None, "is an approximate index; --ray searches flat indexes"),
        ("qdrant:STORE", "passages", "a vector engine does not support .* ray"),
    ):
        with pytest.raises(I3Error, match=said):
            i3.search_topics(
                index,
                place / "topics.tsv",
                collection=collection,
                ray="local",
                output=tmp_path / "run.txt",
            )


def test_an_id_of_two_shards(place: Path, shards: Path, tmp_path: Path) -> None:
    for number in range(NUMBER):
        (tmp_path / f"S{number}").mkdir()
        for file in (shards / f"SHARD-{number}").iterdir():
            if file.is_file():
                (tmp_path / f"S{number}" / file.name).write_bytes(file.read_bytes())
    ids = lines(tmp_path / "S0" / "docid")
    other = lines(tmp_path / "S1" / "docid")
    other[0] = ids[0]
    (tmp_path / "S1" / "docid").write_text("\n".join(other) + "\n", encoding="utf-8")
    with pytest.raises(I3Error, match=rf"S0 and .*S1: id '{ids[0]}' occurs a second time"):
        Searcher(tmp_path / "S*")
    (tmp_path / "S1" / "docid").write_text("\n".join(other[1:]) + "\n", encoding="utf-8")
    with pytest.raises(I3Error, match=r"S1: .* ids, but its manifest says .*; encode it again"):
        Searcher(tmp_path / "S*")
