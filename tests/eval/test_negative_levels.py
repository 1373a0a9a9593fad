"""Levels below zero, measure by measure: what ir-measures makes of them, and never relevant."""

from pathlib import Path

import ir_measures
import numpy as np
import polars as pl
import pytest

from i3_pyserini.data.queries import read_positives
from i3_pyserini.eval.evaluation import evaluate_run
from i3_pyserini.formats.measures import choose_measures
from i3_pyserini.formats.qrels import as_pandas, read_qrels
from i3_pyserini.formats.runs import Run, read_run
from i3_pyserini.search.fusion import Fusion
from i3_pyserini.search.fusion_tuning import tune
from tests.conftest import Run as RunModule

MEASURES = {
    "nDCG": ("nDCG", "nDCG@3", "nDCG@10", "nDCG(gains={1:0,2:3})@5", "nDCG(judged_only=True)@5"),
    "AP": ("AP", "AP@5", "AP(rel=2)", "AP(rel=3)@3", "AP(judged_only=True)", "SetAP"),
    "infAP": ("infAP", "infAP(rel=2)"),
    "bpref": ("Bpref", "Bpref(rel=2)"),
    "RR": ("RR", "RR(rel=2)", "RR@3", "RR(rel=2)@10"),
    "R": ("R@3", "R(rel=2)@5", "Rprec", "Rprec(rel=2)", "SetR", "IPrec@0.1"),
    "P": ("P@1", "P@5", "P(rel=2)@5", "SetP", "SetP(rel=2)", "SetF"),
    "Success": ("Success@1", "Success(rel=2)@5"),
    "Judged": ("Judged@3", "Judged@20", "Judged"),
    "counts": ("NumRet", "NumRet(rel=1)", "NumRet(rel=2)", "NumRel"),
}


def judgements(levels: dict[tuple[str, str], int]) -> pl.DataFrame:
    rows = [(query, docid, level) for (query, docid), level in levels.items()]
    columns = {"query_id": pl.String, "doc_id": pl.String, "relevance": pl.Int64}
    return pl.DataFrame(rows, schema=columns, orient="row")


@pytest.mark.parametrize("kind", MEASURES)
@pytest.mark.parametrize("seed", range(3))
def test_values_are_those_of_ir_measures(kind: str, seed: int) -> None:
    """Two hundred queries: all kinds of levels in some, none above -2 in others."""
    draw = np.random.default_rng(seed)
    levels, hits = {}, []
    for query in range(200):
        highest = draw.integers(-2, 4)
        for docid in draw.permutation(12)[: draw.integers(1, 12)]:
            levels[f"q{query}", f"d{docid}"] = int(draw.integers(-2, highest + 1))
        hits += [(f"q{query}", f"d{n}") for n in draw.permutation(15)[: draw.integers(0, 15)]]
    qrels, scores = judgements(levels), -np.arange(len(hits), dtype=float)
    queries, docids = zip(*hits, strict=True)
    rows = pl.DataFrame({"query_id": queries, "doc_id": docids, "score": scores})
    run = Run.of("run", rows)
    measures, _ = choose_measures(MEASURES[kind])
    ours = evaluate_run(qrels, run, measures)
    found = {
        (query, name): value
        for name, values in ours.values.items()
        for query, value in zip(ours.queries, values.tolist(), strict=True)
        if np.isfinite(value)
    }
    theirs = {
        (metric.query_id, str(metric.measure)): metric.value
        for measure in measures  # each alone: together, gains of one are taken for another
        for metric in ir_measures.iter_calc([measure], as_pandas(qrels), rows.to_pandas())
    }
    assert found == pytest.approx(theirs, abs=1e-9)


def test_unjudged_and_negative_passages_are_told_apart_where_measures_do() -> None:
    """Judged@k counts a passage with a level below zero; bpref and infAP leave it out."""
    rows = {"query_id": ["q"] * 3, "doc_id": ["a", "b", "c"], "score": [3.0, 2.0, 1.0]}
    run = Run.of("run", pl.DataFrame(rows))
    measures, _ = choose_measures(["Judged@3", "Bpref", "nDCG@3"])
    values = {
        level: evaluate_run(judgements({("q", "a"): level, ("q", "b"): 1}), run, measures).means
        for level in (-1, 0)
    }
    assert values[-1]["Judged@3"] == values[0]["Judged@3"] == pytest.approx(2 / 3)
    assert values[-1]["nDCG@3"] == values[0]["nDCG@3"]
    assert (values[-1]["Bpref"], values[0]["Bpref"]) == (1, 0)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "qrels.txt").write_text(
        "q1 0 a -2\nq1 0 b 1\nq2 0 a -1\nq2 0 b 2\nq3 0 c -1\n", encoding="utf-8"
    )
    for name, best in (("x", "a"), ("y", "b")):
        lines = [f"q{n} Q0 {docid} 1 {score} t" for n in (1, 2) for docid, score in ((best, 2),)]
        lines += [f"q{n} Q0 c 2 1 t" for n in (1, 2)]
        (tmp_path / f"run.{name}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def test_eval_counts_them(run_module: RunModule, files: Path) -> None:
    done = run_module("i3_pyserini.eval", files / "qrels.txt", files / "run.x", check=True)
    (line,) = [line for line in done.stderr.splitlines() if "below zero" in line]
    assert "3 judgements" in line and "-2" in line


def test_fuse_tunes_with_them(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [read_run(files / name) for name in ("run.x", "run.y")]
    tuned = tune(runs, read_qrels(files / "qrels.txt"), Fusion("rrf", (1, 1)), "P@1")
    assert tuned.fusion.weights[1] > tuned.fusion.weights[0]
    told = capsys.readouterr().err
    assert "3 judgements have a level below zero" in told
    assert "1 of 3 judged queries is not in the dev runs" in told and "(q3)" in told


@pytest.mark.parametrize("least", [-1, 0, 1])
def test_they_are_never_positives(files: Path, least: int) -> None:
    assert read_positives(files / "qrels.txt", least) == {"q1": ["b"], "q2": ["b"]}
