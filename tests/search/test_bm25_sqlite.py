"""BM25 without Java, and k1 and b tuned on dev queries."""

import json
import math
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i3_pyserini import evaluate, search_bm25
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.runs import read_run
from i3_pyserini.search.bm25_tuning import BS, K1S, B
from i3_pyserini.search.word_index import WordIndex, build_word_index
from i3_pyserini.stock import lucene_bm25

TEXTS = [
    "boil boil water",
    "water and light",
    "",
    "the light the light the light",
    "meeting boils",
]
PASSAGES = [
    {"id": "d1", "title": "Eggs", "text": "Boil them for nine minutes."},
    {"id": "d2", "title": "Plants", "text": "Photosynthesis turns light into sugar."},
    {"id": "d3", "text": "Minutes of a meeting."},
    {"id": "d4", "text": "Minutes of a meeting."},
    {"id": "e1", "text": "light light light light light " + "of many other words " * 4},
    {"id": "e2", "text": "a light sea"},
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    text = "".join(json.dumps(passage) + "\n" for passage in PASSAGES)
    (tmp_path / "corpus.jsonl").write_text(text, encoding="utf-8")
    (tmp_path / "topics.tsv").write_text(
        "007\teggs\nnone\tzebra\n7\tmeeting minutes\n", encoding="utf-8"
    )
    (tmp_path / "dev.tsv").write_text("a\tlight\nb\tno judgement light\n", encoding="utf-8")
    (tmp_path / "dev.txt").write_text(
        "a 0 e2 1\n", encoding="utf-8"
    )  # short: a high b has it first
    return tmp_path


def search(data: Path, name: str, **options: Any) -> Path:
    corpus, topics = data / "corpus.jsonl", options.pop("topics", data / "topics.tsv")
    usual: dict[str, Any] = {"engine": "sqlite", "output": data / name}
    return search_bm25(corpus, topics, **{**usual, **options}).path


def tuning(data: Path) -> dict[str, Any]:
    return {"tune": data / "dev.txt", "tune_topics": data / "dev.tsv", "measure": "RR@10"}


def test_scores_are_the_formula_s(tmp_path: Path) -> None:
    build_word_index(tmp_path / "words", iter(TEXTS))
    index = WordIndex(tmp_path / "words")
    (scores,) = index.search(["The boiling BOIL of lights"], 1.2, 0.75)
    query = {"boil": 2, "light": 1}  # "the" and "of" are stop words
    words = [[w.removesuffix("s") for w in text.split()] for text in TEXTS]
    filled = 4  # one is empty, which Lucene counts neither as a text nor for the mean
    mean = sum(map(len, words)) / filled
    expected = np.zeros(len(TEXTS))
    for word, times in query.items():
        having = sum(word in text for text in words)
        idf = math.log(1 + (filled - having + 0.5) / (having + 0.5))
        for number, text in enumerate(words):
            tf = Counter(text)[word]
            norm = 1.2 * (1 - 0.75 + 0.75 * len(text) / mean)
            expected[number] += times * idf * tf / (tf + norm)
    assert scores == pytest.approx(expected, rel=1e-6) and scores[0] > 0
    (only_stop_words,) = index.search(["the"], 1.2, 0.75)
    assert np.flatnonzero(only_stop_words).tolist() == [3]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("In İstanbul", "İstanbul"),
        ("In İstanbul", "istanbul"),
        ("a re\u0301sume\u0301", "re\u0301sume\u0301"),
        ("a re\u0301sume\u0301", "résumé"),
        ("a résumé", "re\u0301sume\u0301 resume"),
        ("học tiếng Việt", "tieng"),
        ("na\u0308ive", "NÄIVE"),
        ("\u0939\u093f\u0902\u0926\u0940 light", "\u0939\u093f\u0902\u0926\u0940"),
    ],
)
def test_a_query_is_tokenized_as_passages_are(tmp_path: Path, text: str, query: str) -> None:
    build_word_index(tmp_path / "words", iter([text, "other"]))
    (scores,) = WordIndex(tmp_path / "words").search([query], 0.9, 0.4)
    assert scores[0] > 0 and scores[1] == 0


def test_lengths_of_many_words_and_words_that_are_dropped_from_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = (1, 127, 128, 300, 20_000)
    build_word_index(tmp_path / "words", (" ".join(["light"] * n) for n in lengths))
    index = WordIndex(tmp_path / "words")
    assert index._lengths.tolist() == list(lengths)
    (before,) = index.search(["light"], 0.9, 0.4)
    monkeypatch.setattr("i3_pyserini.search.word_index.MOST_KEPT", 1)
    for _ in range(2):
        (again,) = index.search(["light zebra"], 0.9, 0.4)
        assert again.tolist() == before.tolist()
    assert list(index._kept) == ["zebra"] and index._size == 0


def test_a_run(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = search(data, "run.txt")
    assert "queries without a hit" in capsys.readouterr().err
    hits = {qid: list(rows["doc_id"]) for qid, rows in read_run(run).frame.groupby("query_id")}
    assert hits == {"007": ["d1"], "7": ["d4", "d3", "d1"]}  # equal ones by descending id
    (index,) = data.glob(f"sqlite-{data.name}-*")
    made = {path: path.stat().st_mtime_ns for path in index.iterdir()}
    best = read_run(search(data, "best.txt", hits=1)).frame
    assert best["doc_id"].tolist() == ["d1", "d4"]
    assert made == {path: path.stat().st_mtime_ns for path in index.iterdir()}


def test_indexes_of_something_else_are_refused(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = data / "words"
    search(data, "run.txt", index=index)
    (data / "dev").mkdir()
    with pytest.raises(I3Error, match="not an index of bm25"):
        search(data, "new.txt", index=data / "dev")
    monkeypatch.setattr(lucene_bm25, "why_no_lucene", lambda: None)
    with pytest.raises(I3Error, match="type is sqlite-bm25, not lucene-bm25"):
        search(data, "new.txt", index=index, engine="lucene")
    monkeypatch.setattr(lucene_bm25, "why_no_lucene", lambda: "no Java")
    with pytest.raises(I3Error, match=r"no Java.*SQLite"):
        search(data, "new.txt", engine="lucene")
    (index / "words.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(I3Error, match=r"words\.sqlite is damaged.*remove the directory"):
        search(data, "new.txt", index=index)
    (data / "corpus.jsonl").write_text(
        (data / "corpus.jsonl").read_text(encoding="utf-8").replace("nine", "four"),
        encoding="utf-8",
    )
    with pytest.raises(I3Error, match="belongs to another corpus"):
        search(data, "new.txt", index=index)
    assert not (data / "new.txt").exists()


def test_inputs_are_kept_and_nothing_is_written_without_hits(data: Path) -> None:
    corpus = (data / "corpus.jsonl").read_bytes()
    with pytest.raises(I3Error, match="given twice"):
        search(data, "corpus.jsonl", overwrite=True)
    assert (data / "corpus.jsonl").read_bytes() == corpus
    (data / "topics.tsv").write_text("q1\tzebra\n", encoding="utf-8")
    extra = {**tuning(data), "tune_output": data / "dev.run.txt", "speed": data / "speed.json"}
    before = {*data.iterdir()}
    with pytest.raises(I3Error, match="finds nothing"):
        search(data, "none.txt", **extra, index=data / "words")
    assert {*data.iterdir()} == before | {data / "words"}
    for options, said in (({"engine": "foo"}, "lucene or sqlite"), ({"k1": math.inf}, "k1 is inf")):
        with pytest.raises(I3Error, match=said):
            search(data, "none.txt", **options)
    (data / "words" / "docid").write_text("d1\n", encoding="utf-8")
    with pytest.raises(I3Error, match=r"words: is damaged \(1 ids"):
        search(data, "none.txt", index=data / "words")


def test_k1_and_b_are_the_best_on_dev(data: Path) -> None:
    options = {**tuning(data), "tune_output": data / "dev.run.txt", "speed": data / "speed.json"}
    run = search(data, "run.txt", **options)
    found = json.loads((data / "run.txt.bm25.json").read_text(encoding="utf-8"))
    grid = {(one["k1"], one["b"]): one["value"] for one in found["grid"]}
    assert set(grid) == {(k1, b) for k1 in K1S for b in BS} and (0.9, B) in grid
    best = found["best"]
    assert best["value"] == max(grid.values()) > grid[0.9, B]
    pair = {"k1": best["k1"], "b": best["b"]}
    assert grid[best["k1"], best["b"]] == best["value"]
    fixed = search(data, "fixed.txt", **pair)
    assert fixed.read_bytes() == run.read_bytes()
    # Values are those of runs that are searched by themselves.
    for number, (k1, b) in enumerate([(best["k1"], best["b"]), (0.9, B), (2.2, 0.9)]):
        one = search(data, f"dev.{number}.txt", topics=data / "dev.tsv", k1=k1, b=b)
        (table,) = evaluate(data / "dev.txt", [one], measures=["RR@10"]).sections
        assert table.evaluations[0].means["RR@10"] == pytest.approx(grid[k1, b])
    assert (data / "dev.0.txt").read_bytes() == (data / "dev.run.txt").read_bytes()
    speed = json.loads((data / "speed.json").read_text(encoding="utf-8"))
    assert (speed["queries"], speed["threads"], speed["batch"]) == (3, 1, 1)
    assert speed["queries_per_second"] == pytest.approx(3 / speed["seconds"])


def test_equal_values_keep_the_usual_pair(data: Path, run_module: Callable[..., Any]) -> None:
    (data / "dev.txt").write_text(
        "a 0 e2 1\na 0 e1 1\na 0 d2 1\n", encoding="utf-8"
    )  # all that can be found
    words = ("bm25", data / "corpus.jsonl", data / "topics.tsv", "--output", data / "run.txt")
    tune = ("--tune", data / "dev.txt", "--tune-topics", data / "dev.tsv", "--engine", "sqlite")
    done = run_module("i3_pyserini", *words, *tune)
    assert done.returncode == 0, done.stderr
    assert re.search(r"k1 0\.9 and b 0\.4, tuned on 1 dev queries: nDCG@10 1\.0000", done.stdout)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"tune": None}, "require tune"),
        ({"tune_topics": None}, "tune requires tune_topics"),
        ({"k1": 1.2}, "k1 and b"),
        ({"topics": "dev.tsv"}, "also has 2 of the queries to search, such as 'a'"),
        ({"measure": "nDGC@10"}, "nDGC@10"),
        ({"tune_output": "run.txt"}, "is given twice"),
        ({"speed": "corpus.jsonl"}, "is given twice"),
    ],
)
def test_mistakes_are_named_before_an_index_is_made(
    changed: dict[str, Any], said: str, data: Path
) -> None:
    files = ("topics", "tune_output", "speed")
    changed = {k: data / v if k in files else v for k, v in changed.items()}
    with pytest.raises(I3Error, match=re.escape(said)):
        search(data, "run.txt", **{**tuning(data), **changed})
    assert not list(data.glob("sqlite-*")) and not (data / "run.txt").exists()
