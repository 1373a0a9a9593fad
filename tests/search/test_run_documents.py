"""Runs of windows become runs of documents; where windows and documents meet, it is said."""

import json
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.diff import diff_runs
from i3_pyserini.eval.report.write import write_report
from i3_pyserini.eval.runs import evaluate
from i3_pyserini.formats.runs import read_run
from i3_pyserini.search.fuse import fuse_runs
from i3_pyserini.search.rerank import rerank_run
from i3_pyserini.search.run_documents import rank_documents

WINDOWS: dict[str, list[tuple[str, float]]] = {
    "q1": [("d1#1", 9), ("d10#0", 8), ("d1#0", 7), ("d2#3", 7), ("whole", 6), ("d3#0", 1)],
    "q2": [("d2#0", 3), ("d1#0", 3), ("d1#1", 2)],
}
BEST = {"q1": ["d1", "d10", "d2", "whole", "d3"], "q2": ["d2", "d1"]}


def write(path: Path, hits: dict[str, list[tuple[str, float]]]) -> Path:
    lines = [
        f"{qid} Q0 {docid} {rank} {score} x\n"
        for qid, own in hits.items()
        for rank, (docid, score) in enumerate(own, start=1)
    ]
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write(tmp_path / "windows.txt", WINDOWS)


def test_the_best_window_ranks_its_document(run: Path, tmp_path: Path, run_module: Any) -> None:
    done = run_module("i3_pyserini", "documents", run, "--output", tmp_path / "run.txt")
    assert done.returncode == 0, done.stderr
    found = read_run(tmp_path / "run.txt")
    assert dict(found.hits(found.queries)) == BEST
    assert [row for row in found.lines["score"].to_list() if row > 8] == [9]
    rank_documents(run, output=tmp_path / "run.txt", hits=2, overwrite=True)
    found = read_run(tmp_path / "run.txt")
    assert dict(found.hits(found.queries)) == {qid: own[:2] for qid, own in BEST.items()}


def test_three_columns(run: Path, tmp_path: Path) -> None:
    lines = [
        f"{qid}\t{docid}\t{rank}\n"
        for qid, own in WINDOWS.items()
        for rank, (docid, _) in enumerate(own, start=1)
    ]
    run.write_text("".join(lines), encoding="utf-8")
    found = read_run(rank_documents(run, output=tmp_path / "run.txt").path)
    assert dict(found.hits(found.queries)) == BEST


def test_what_is_refused(run: Path, tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.txt", {"q1": [("d1", 1), ("d2", 0)]})
    for path, options, said in (
        (whole, {}, "whole.txt: no id"),
        (tmp_path / "absent", {}, "absent"),
        (run, {"hits": 0}, "hits is 0"),
        (run, {"output": run, "overwrite": True}, "windows.txt"),
        (run, {"output": whole}, "whole.txt"),
    ):
        with pytest.raises(I3Error, match=said):
            rank_documents(path, **{"output": tmp_path / "new.txt", **options})  # type: ignore[arg-type]


@pytest.fixture
def qrels(tmp_path: Path) -> Path:
    path = tmp_path / "qrels.txt"
    path.write_text("q1 0 d1 1\nq1 0 d3 0\nq2 0 d1 1\n", encoding="utf-8")
    return path


def test_windows_are_not_evaluated_as_zeros(run: Path, qrels: Path, tmp_path: Path) -> None:
    best = rank_documents(run, output=tmp_path / "run.txt").path
    (tmp_path / "topics.tsv").write_text("q1\tone\nq2\ttwo\n", encoding="utf-8")
    said = r"(windows.txt|x): .*'d1#1'.*'d1'"
    with pytest.raises(I3Error, match=said):
        evaluate(qrels, [best, run])
    with pytest.raises(I3Error, match=said):
        evaluate(qrels, [run], judged_only=True)
    with pytest.raises(I3Error, match=said):
        diff_runs(qrels, best, run, topics=tmp_path / "topics.tsv")
    with pytest.raises(I3Error, match=said):
        write_report(qrels, [best, run], output=tmp_path / "r.html", topics=tmp_path / "topics.tsv")
    found = evaluate(qrels, [best], measures=["RR@10"])
    assert "0.7500" in str(found)


def test_judged_windows_are_evaluated(run: Path, qrels: Path) -> None:
    qrels.write_text("q1 0 d1#1 1\nq2 0 d1#9 1\n", encoding="utf-8")
    assert "0.5000" in str(evaluate(qrels, [run], measures=["RR@10"]))


def test_windows_are_not_fused_with_documents(run: Path, tmp_path: Path) -> None:
    best = rank_documents(run, output=tmp_path / "run.txt").path
    with pytest.raises(I3Error, match=r"windows.txt ranks windows \('d1#1'\), and run.txt"):
        fuse_runs([best, run], output=tmp_path / "fused.txt")
    assert not (tmp_path / "fused.txt").exists()
    same = write(tmp_path / "same.txt", WINDOWS)
    fused = read_run(fuse_runs([same, run], output=tmp_path / "fused.txt").path)
    assert len(fused.lines) == sum(map(len, WINDOWS.values()))


def test_documents_are_not_reranked_by_windows(run: Path, tmp_path: Path, tiny_bert: str) -> None:
    best = rank_documents(run, output=tmp_path / "run.txt").path
    (tmp_path / "topics.tsv").write_text("q1\tone\nq2\ttwo\n", encoding="utf-8")
    ids = {docid for own in WINDOWS.values() for docid, _ in own}
    lines = [json.dumps({"id": docid, "text": "eggs"}) + "\n" for docid in sorted(ids)]
    (tmp_path / "corpus.jsonl").write_text("".join(lines), encoding="utf-8")
    options: dict[str, Any] = {"model": tiny_bert, "exact": True, "output": tmp_path / "new.txt"}
    with pytest.raises(I3Error, match=r"'d1' .*--documents none"):
        rerank_run(best, tmp_path / "topics.tsv", tmp_path / "corpus.jsonl", **options)
