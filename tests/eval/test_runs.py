"""`evaluate`, `diff_runs` and `write_report` in Python: frames, results, and what they export."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.eval import diff_runs, evaluate, write_report
from i3_pyserini.formats.paths import WrittenRun
from i3_pyserini.formats.runs import read_run

QRELS = "q1 0 a 1\nq2 0 b 1\nq3 0 c 2\n"
FIRST = {"q1": ["a", "b"], "q2": ["a", "b"], "q3": ["x", "c"]}
SECOND = {"q1": ["a", "b"], "q2": ["b", "a"], "q3": ["c", "x"]}
Frame = Callable[[dict[str, list[Any]]], Any]


def columns(hits: dict[str, list[str]]) -> dict[str, list[Any]]:
    rows = [
        (query, passage, -rank)
        for query, passages in hits.items()
        for rank, passage in enumerate(passages)
    ]
    names = ("query_id", "doc_id", "score")
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "qrels.txt").write_text(QRELS, encoding="utf-8")
    for name, hits in (("one.txt", FIRST), ("two.txt", SECOND)):
        rows = zip(*columns(hits).values(), strict=True)
        lines = [f"{query} Q0 {passage} 1 {score} t\n" for query, passage, score in rows]
        (tmp_path / name).write_text("".join(lines), encoding="utf-8")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames_and_files_give_the_same(files: Path, frame: Frame) -> None:
    of_files = evaluate(
        files / "qrels.txt", [files / "one.txt", str(files / "two.txt")], measures=["RR@10"]
    )
    qrels: dict[str, list[Any]] = {
        "query_id": ["q1", "q2", "q3"],
        "doc_id": ["a", "b", "c"],
        "relevance": [1, 1, 2],
    }
    runs = {"one.txt": frame(columns(FIRST)), "two.txt": frame(columns(SECOND))}
    of_frames = evaluate(frame(qrels), runs, measures=["RR@10"])
    assert of_frames.means == of_files.means
    assert of_files.means == {"one.txt": {"RR@10": pytest.approx(2 / 3)}, "two.txt": {"RR@10": 1.0}}
    assert str(of_frames) == str(of_files) == repr(of_files)
    named = evaluate(frame(qrels), list(runs.values()), measures=["RR@10"], baseline="run 1")
    assert list(named.means) == ["run 1", "run 2"]
    assert (named.differences[0].run, named.differences[0].wins) == ("run 2", 2)


def test_one_run_of_any_kind(files: Path) -> None:
    path = files / "one.txt"
    written = WrittenRun(path, "3 queries", 3)
    qrels = WrittenRun(files / "qrels.txt", "", 3)
    assert evaluate(qrels, path).means
    kinds: list[Any] = [path, str(path), [written], read_run(path), {"one.txt": path}]
    for run in kinds:
        assert evaluate(files / "qrels.txt", run).means["one.txt"]["RR@10"] > 0


def test_to_pandas(files: Path) -> None:
    runs = [files / "one.txt", files / "two.txt"]
    found = evaluate(files / "qrels.txt", runs, measures=["RR@10", "P@1"]).to_pandas()
    assert list(found) == ["run", "measure", "value"] and len(found) == 4
    each = evaluate(
        files / "qrels.txt", runs, measures=["RR@10"], per_query=True, group_by="relevants"
    ).to_pandas()
    assert list(each) == ["group", "run", "query_id", "measure", "value"]
    assert len(each[each["group"] == "all"]) == 6
    value = each[(each["run"] == "one.txt") & (each["query_id"] == "q2")]["value"]
    assert set(value) == {0.5}


def test_html_is_escaped(files: Path) -> None:
    frames = {"a <b>": pd.DataFrame(columns(FIRST)), "c": pd.DataFrame(columns(SECOND))}
    found = evaluate(files / "qrels.txt", frames, measures=["RR@10"], baseline="a <b>")
    page = found._repr_html_()
    assert page.count("<table>") == 2 and "a &lt;b&gt;" in page and "<b>" not in page


def test_values_per_query_and_a_comparison(files: Path) -> None:
    runs = [files / "one.txt", files / "two.txt"]
    found = evaluate(
        files / "qrels.txt", runs, measures=["RR@10"], baseline=runs[0], per_query=True
    )
    assert "against one.txt, 3 queries" in str(found)
    assert "two.txt\tq3\tRR@10\t1.0" in str(found).splitlines()
    assert json.loads(found.to_json())["runs"][1]["per_query"][2]["value"] == 1.0
    with pytest.raises(I3Error, match="one table"):
        found.to_csv()
    with pytest.raises(I3Error, match="not latex"):
        found.to_latex()


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ({"qid": ["q1"], "doc_id": ["a"], "score": [1]}, "run 1: no column 'query_id'; it has qid"),
        ({"query_id": ["q1", None], "doc_id": ["a", "b"], "score": [1, 2]}, "run 1, row 2: query"),
        ({"query_id": ["q", "q"], "doc_id": ["a", "a"], "score": [1, 2]}, "ranked twice"),
        ({"query_id": ["q"], "doc_id": ["a"], "score": [float("nan")]}, "not a finite number"),
        ({"query_id": [], "doc_id": [], "score": []}, "no hits"),
    ],
)
def test_frames_that_are_no_runs(files: Path, frame: dict[str, Any], said: str) -> None:
    with pytest.raises(I3Error, match=said):
        evaluate(files / "qrels.txt", [pd.DataFrame(frame)])


def test_frames_that_are_no_qrels(files: Path) -> None:
    qrels = {"query_id": ["q1", "q1"], "doc_id": ["a", "a"], "relevance": [0, 1]}
    with pytest.raises(I3Error, match="the qrels, row 2: passage 'a' has relevance 1"):
        evaluate(pd.DataFrame(qrels), files / "one.txt")
    assert evaluate(pd.DataFrame(qrels), files / "one.txt", duplicates="max").means
    with pytest.raises(I3Error, match="no column 'relevance'"):
        evaluate(pd.DataFrame(columns(FIRST)), files / "one.txt")
    with pytest.raises(I3Error, match="no run is given"):
        evaluate(files / "qrels.txt", [])
    with pytest.raises(I3Error, match=r"two runs are named one\.txt"):
        evaluate(files / "qrels.txt", [read_run(files / "one.txt")] * 2)


def test_diff_in_python(files: Path) -> None:
    topics = {"q1": "one", "q2": "two", "q3": "three"}
    runs = pd.DataFrame(columns(FIRST)), files / "two.txt"
    found = diff_runs(files / "qrels.txt", *runs, topics=topics, measure="RR@10")
    assert found.found.wins == 2 and "gained 1: query q2: two" in str(found)
    frame = found.to_pandas()
    assert list(frame["query_id"]) == ["q2", "q3"] and list(frame["change"]) == [0.5, 0.5]
    for name, start in (("d.json", "{"), ("d.md", "A: run 1"), ("d.txt", "A: run 1")):
        output = files / name
        done = diff_runs(files / "qrels.txt", *runs, topics=topics, output=output)
        assert str(done) == f"wrote {output}" and output.read_text(encoding="utf-8").startswith(
            start
        )


@pytest.mark.slow
def test_report_in_python(files: Path) -> None:
    runs = {"first": pd.DataFrame(columns(FIRST)), "second": pd.DataFrame(columns(SECOND))}
    qrels = pd.DataFrame(
        {"query_id": ["q1", "q2", "q3"], "doc_id": ["a", "b", "c"], "relevance": [1, 1, 2]}
    )
    page = write_report(qrels, runs, output=files / "page.html", title="Two runs")
    text = page.path.read_text(encoding="utf-8")
    assert "Two runs" in text and "Differences from first<" in text
    assert "<dt>qrels</dt><dd>qrels: 3 queries" in text
    with pytest.raises(I3Error, match="exists"):
        write_report(qrels, runs, output=page.path)
    write_report(qrels, runs, output=page.path, overwrite=True)


def test_the_command_is_the_module(files: Path, run_module: Callable[..., Any]) -> None:
    words = (files / "qrels.txt", files / "one.txt", files / "two.txt", "--measures", "RR@10")
    one = run_module("i3_pyserini", "eval", *words, "--baseline", files / "one.txt", check=True)
    other = run_module("i3_pyserini.eval", *words, "--baseline", files / "one.txt", check=True)
    assert one.stdout == other.stdout and "against one.txt" in one.stdout


def test_a_mapping_gives_names_and_leaves_runs_as_they_are(files: Path) -> None:
    run = read_run(files / "one.txt")
    found = evaluate(files / "qrels.txt", {"a": run, "b": files / "one.txt"}, measures=["RR@10"])
    assert set(found.to_pandas()["run"]) == {"a", "b"}
    assert run.name == "one.txt"
    with pytest.raises(I3Error, match="expected one for each of the 2 runs"):
        evaluate(files / "qrels.txt", {"a": run, "b": run}, names=["c"])
