"""What a report says: names, findings, marks, what is recorded of runs, and changed queries."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ir_measures
import pandas as pd
import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.eval import evaluate, write_report
from i3_pyserini.eval.report.changes import changes
from i3_pyserini.eval.report.named import NamedRuns, shown_names
from i3_pyserini.eval.report.recorded import recorded_facts
from i3_pyserini.formats.run_metadata import MethodRecord, RunMetadata
from i3_pyserini.formats.runs import Run

QUERIES = 30
TOPICS = {f"q{n}": f"query <b>{n}</b>" for n in range(QUERIES)}


def ranked(name: str, hits: dict[str, list[str]]) -> Run:
    rows = [(q, d, -rank) for q, docs in hits.items() for rank, d in enumerate(docs)]
    return Run.of(name, pd.DataFrame(rows, columns=["query_id", "doc_id", "score"]))


@pytest.fixture
def systems(tmp_path: Path) -> Path:
    """Of 30 queries with a relevant passage each, `good` has all, `base` every third; `same`."""
    (tmp_path / "qrels.txt").write_text(
        "".join(f"{q} 0 d{q} 1\n" for q in TOPICS), encoding="utf-8"
    )
    found = {
        "good": lambda n: 1,
        "base": lambda n: 1 if n % 3 == 0 else 4 + n % 5,
        "same": lambda n: 1 if n % 3 == 0 else 4 + n % 5,
    }
    for name, rank_of in found.items():
        lines = []
        for n, query in enumerate(TOPICS):
            docs = [f"x{rank}" for rank in range(1, 12)]
            docs[rank_of(n) - 1] = f"d{query}"
            lines += [f"{query} Q0 {d} {r} {20 - r} Anserini\n" for r, d in enumerate(docs, 1)]
        (tmp_path / f"run.{name}.txt").write_text("".join(lines), encoding="utf-8")
    passages = [f"dq{n}" for n in range(QUERIES)] + [f"x{n}" for n in range(1, 12)]
    lines = [json.dumps({"id": d, "title": "", "text": f"text <i>of {d}</i>"}) for d in passages]
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


def written(folder: Path, **options: Any) -> str:
    runs = [folder / f"run.{name}.txt" for name in ("base", "good", "same")]
    given: dict[str, Any] = {"measures": ["RR@10"], "overwrite": True, **options}
    page = write_report(folder / "qrels.txt", runs, output=folder / "page.html", **given)
    return page.path.read_text(encoding="utf-8")


@pytest.mark.slow
def test_findings_come_first(systems: Path) -> None:
    page = written(systems, collection="letters")
    assert "<h1>base, good and same compared on letters</h1>" in page
    (said,) = re.findall('<p class="finding">(.*)</p>', page)
    runs = [systems / f"run.{name}.txt" for name in ("base", "good", "same")]
    found = evaluate(systems / "qrels.txt", runs, measures=["RR@10"], baseline=runs[0])
    good = found.differences[0]
    assert f"good (+{good.delta:.4f}, p &lt; 0.001) is significantly better" in said
    assert "same (+0.0000, p undefined) is not significantly different" in said
    assert f"30 queries of letters, compared with base ({good.baseline_mean:.4f})" in said


@pytest.mark.slow
def test_what_is_significant_is_marked(systems: Path) -> None:
    rows = re.findall(r'<tr><th scope="row">(.*)</tr>', written(systems))
    base, good, same = rows = rows[:3]  # those behind are of all comparisons
    assert "baseline" in base and "▲" not in base and "▼" not in base
    assert good.count("▲") == 1 and 'aria-label="significantly better"' in good
    assert "▲" not in same and "▼" not in same
    assert "<b>1.0000</b>" in good and "<b>1.0000</b>" not in base
    assert [row.count("<td") for row in rows] == [2, 2, 2]  # RR@10 and Judged@10
    turned = written(systems, names=["a", "b", "c"], baseline="b")
    assert turned.count('aria-label="significantly worse"') == 2


@pytest.mark.slow
def test_changed_queries_with_texts(systems: Path) -> None:
    page = written(systems, topics=TOPICS, corpus=systems / "corpus.jsonl")
    section = page[page.index('<section id="changes">') : page.index('<section id="ranks">')]
    shown = re.findall(r"<h3>(.*)</h3>", section)
    # RR@10 from 1/8 to 1 four times, then from 1/7; sorted by id as text
    expected = ["q14", "q19", "q29", "q4", "q13"]
    assert shown == [f"query &lt;b&gt;{query[1:]}&lt;/b&gt;" for query in expected]
    assert section.count("▲ 8 → 1") == 4 and section.count("+0.8750") == 4
    assert f"text &lt;i&gt;of d{expected[0]}&lt;/i&gt;" in section
    without = written(systems)
    assert f"<h3>{expected[0]}</h3>" in without and "text &lt;i&gt;" not in without


def test_passages_that_moved_most() -> None:
    qrels = pd.DataFrame(
        [("q1", d, 1) for d in "abcde"] + [("q2", "f", 1), ("q3", "g", 0)],
        columns=["query_id", "doc_id", "relevance"],
    )
    before = ranked("A", {"q1": ["a", "x", "b", "c", "d"], "q2": ["f"], "q3": ["g"]})
    after = ranked("B", {"q1": ["x", "e", "d", "b", "c"], "q2": ["f"], "q3": ["y"]})
    import polars as pl

    measure = ir_measures.nDCG @ 3
    found = changes(pl.DataFrame(qrels.to_dict("list")), (before, after), measure, 1)
    (change,) = found.queries
    assert (found.depth, change.text, change.more) == (3, "", 1)
    moved = [(one.moved.passage, one.moved.rank_a, one.moved.rank_b) for one in change.passages]
    assert moved == [("a", 1, None), ("e", None, 2), ("d", 5, 3)]
    assert [one.kind for one in change.passages] == ["down", "up", "up"]


def test_names_of_files() -> None:
    def names(*files: str) -> list[str]:
        return shown_names([Path(file) for file in files])

    assert names("a/run.bm25.txt", "run.i3.trec.gz", "mine.v1.5.txt") == ["bm25", "i3", "mine.v1.5"]
    assert names("run.a.txt", "run.a.tsv") == ["run.a.txt", "run.a.tsv"]
    assert names("run.txt") == ["run"]


def test_tags_are_names_where_they_tell_runs_apart(tmp_path: Path) -> None:
    def names(*tags: str) -> list[str]:
        files = [tmp_path / f"run.{number}.txt" for number in range(len(tags))]
        for file, tag in zip(files, tags, strict=True):
            file.write_text(f"q1 Q0 d1 1 1 {tag}\n", encoding="utf-8")
        return NamedRuns(files).shown

    assert names("all-MiniLM-L6-v2", "bm25") == ["all-MiniLM-L6-v2", "bm25"]
    assert names("bm25", "bm25") == ["0", "1"]  # of two k1
    assert names("bm25", "Faiss") == ["0", "1"]  # a program
    assert names("bm25", "best") == ["0", "1"]  # a folder
    (tmp_path / "run.0.txt").write_text(
        "q1\td1\t1\n", encoding="utf-8"
    )  # MS MARCO's format has none
    assert NamedRuns([tmp_path / "run.0.txt"]).shown == ["0"]
    assert NamedRuns([tmp_path / "run.0.txt"], ["A"]).shown == ["A"]


def test_a_baseline_is_a_file_or_a_name(systems: Path) -> None:
    files = [systems / "run.base.txt", systems / "run.good.txt"]
    for runs in (NamedRuns(files, ["A", "B"]), NamedRuns({"A": files[0], "B": files})):
        assert runs.shown == ["A", "B"] and runs.place("B") == 1
    runs = NamedRuns(files, ["A", "B"])
    assert [runs.place(name) for name in ("run.good.txt", files[1])] == [1, 1]
    with pytest.raises(I3Error, match=r"baseline good is not one of the runs \(A, B\)"):
        runs.place("good")
    with pytest.raises(I3Error, match="expected one for each of the 2 runs"):
        NamedRuns(files, ["A"])
    with pytest.raises(I3Error, match="two runs are named A"):
        NamedRuns(files, ["A", "A"]).check([])


def test_what_is_recorded_of_a_run(systems: Path) -> None:
    run = systems / "run.good.txt"
    assert recorded_facts(run, None) == {"file": "run.good.txt", "tag": "Anserini"}
    stage = {"name": "bm25", "method": "BM25", "k1": 1.2, "b": 0.75}
    command = "i3-pyserini bm25 /private/data/corpus topics.tsv --output=/private/runs/a.txt"
    known = RunMetadata(
        method=MethodRecord(retrieval=(stage,)), implementation={"executable": {"cmd": command}}
    )
    found = recorded_facts(run, known)
    assert all(word in found["made by"] for word in ("BM25", "k1 1.2", "b 0.75"))
    shown = "i3-pyserini bm25 data/corpus topics.tsv --output=runs/a.txt"
    assert found["commands"] == shown
    assert "commands" not in recorded_facts(run, known, commands=True)


@pytest.mark.slow
def test_what_is_known_of_systems(systems: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    known = {"good": {"model": "MiniLM", "commands": "i3-pyserini encode\nsearch <x>"}}
    page = written(systems, systems=known)
    assert "<dd>1970-01-02</dd>" in page and "<dd>MiniLM</dd>" in page
    assert '<dd class="commands">i3-pyserini encode\nsearch &lt;x&gt;</dd>' in page
    assert page.count("<dd>Anserini</dd>") == 3
    assert str(systems) not in page


@pytest.mark.slow
def test_what_an_index_says(systems: Path) -> None:
    model = {"name": "/private/models/mini", "pooling": "mean", "normalize": True}
    manifest = {"corpus": {"name": "letters"}, "passages": 1234, "model": model}
    (systems / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    page = written(systems, index=systems)
    for fact in ("letters (1,234 passages)", "models/mini", "mean, unit length"):
        assert f"<dd>{fact}</dd>" in page
    assert "compared on letters</h1>" in page and "private" not in page


@pytest.mark.slow
def test_several_runs_of_a_system(systems: Path) -> None:
    base, good = systems / "run.base.txt", systems / "run.good.txt"
    page = write_report(
        systems / "qrels.txt",
        {"plain": base, "trained": [good, base]},
        output=systems / "page.html",
        measures=["RR@10"],
    )
    text = page.path.read_text(encoding="utf-8")
    found = evaluate(systems / "qrels.txt", [base, good], measures=["RR@10"]).means
    mean = (found["run.base.txt"]["RR@10"] + found["run.good.txt"]["RR@10"]) / 2
    assert f"<b>{mean:.4f}</b>" in text
    assert "trained: means of 2 runs" in text and "2 runs," in str(page)


def test_names_in_eval_and_diff(systems: Path, run_module: Callable[..., Any]) -> None:
    files = (systems / "qrels.txt", systems / "run.base.txt", systems / "run.good.txt")
    words = ("--names", "BM25", "I³", "--baseline", "I³", "--measures", "RR@10")
    shown = run_module("i3_pyserini", "eval", *files, *words, check=True).stdout
    assert "against I³" in shown and "run." not in shown
    lines = "".join(f"{query}\t{text}\n" for query, text in TOPICS.items())
    (systems / "topics.tsv").write_text(lines, encoding="utf-8")
    topics = ("--topics", systems / "topics.tsv")
    shown = run_module("i3_pyserini", "diff", *files, *topics, *words[:3], check=True).stdout
    assert shown.startswith("A: BM25, B: I³\n")
    with pytest.raises(I3Error, match="expected one for each of the 2 runs"):
        evaluate(files[0], list(files[1:]), names=["BM25"])
