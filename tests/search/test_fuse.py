from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.runs import Run, read_run
from i3_pyserini.search.fusion import Fusion, fuse
from i3_pyserini.search.fusion_tuning import read_fusion, refuse_overlap, tune

Scores = dict[str, dict[str, float]]


def write(path: Path, scores: Scores) -> Path:
    lines = [
        f"{qid} Q0 {docid} {rank} {score} t\n"
        for qid, hits in scores.items()
        for rank, (docid, score) in enumerate(hits.items(), start=1)
    ]
    path.write_text("".join(lines))
    return path


def rankings(fused: pd.DataFrame) -> dict[str, list[tuple[str, float]]]:
    return {
        str(qid): list(zip(rows["doc_id"], rows["score"], strict=True))
        for qid, rows in fused.groupby("query_id", sort=False)
    }


def naive(runs: list[Scores], fusion: Fusion) -> dict[str, dict[str, float]]:
    fused: dict[str, dict[str, float]] = {}
    counts: dict[tuple[str, str], int] = {}
    for scores, weight in zip(runs, fusion.weights, strict=True):
        for qid, hits in scores.items():
            order = sorted(((score, docid) for docid, score in hits.items()), reverse=True)
            lowest, highest = order[-1][0], order[0][0]
            for rank, (score, docid) in enumerate(order, start=1):
                value = (score - lowest) / (highest - lowest) if highest > lowest else 1.0
                value = 1 / (fusion.k + rank) if fusion.method == "rrf" else value
                row = fused.setdefault(qid, {})
                row[docid] = row.get(docid, 0) + weight * value
                counts[qid, docid] = counts.get((qid, docid), 0) + 1
    if fusion.method == "combmnz":
        for (qid, docid), count in counts.items():
            fused[qid][docid] *= count
    return fused


HITS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(-4, 9).map(float), min_size=1)
RUN = st.dictionaries(st.sampled_from(["q1", "q2", "q3"]), HITS, min_size=1)


@settings(deadline=None, max_examples=30)  # every example writes and reads files
@given(
    st.lists(RUN, min_size=2, max_size=3),
    st.sampled_from(["rrf", "interpolation", "combmnz"]),
    st.lists(st.sampled_from([0.25, 1.0, 2.0]), min_size=3, max_size=3),
)
def test_fusion_is_what_its_formula_says(
    tmp_path_factory: Any, scores: list[Scores], method: Any, weights: list[float]
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    runs = [read_run(write(folder / str(n), one)) for n, one in enumerate(scores)]
    fusion = Fusion(method, tuple(weights[: len(runs)]), 7)
    found = rankings(fuse(runs, fusion))
    expected = naive(scores, fusion)
    assert found.keys() == expected.keys()
    for qid, hits in found.items():
        assert dict(hits) == pytest.approx(expected[qid])
        assert [score for _, score in hits] == sorted((score for _, score in hits), reverse=True)


def test_depth_and_order(tmp_path: Path) -> None:
    one = read_run(write(tmp_path / "a", {"q2": {"a": 3, "b": 2}, "q1": {"c": 1}}))
    other = read_run(write(tmp_path / "b", {"q9": {"d": 1}, "q2": {"b": 3, "e": 1}}))
    fused = fuse([one, other], Fusion("rrf", (1, 1)), depth=1)
    assert set(fused["query_id"]) == {"q1", "q2", "q9"}
    best = rankings(fused)["q2"]
    assert [docid for docid, _ in best] == ["b"]
    assert best[0][1] == pytest.approx(1 / 62 + 1 / 61)


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, Path]:
    """One run is right about dev and test, the other wrong."""
    paths = {}
    for split, qids in (("dev", ["1", "2"]), ("test", ["3", "4"])):
        right = {qid: {"good": 3.0, "x": 2.0, "bad": 1.0} for qid in qids}
        wrong = {qid: {"bad": 3.0, "x": 2.0, "good": 1.0} for qid in qids}
        paths[f"{split}-right"] = write(tmp_path / f"{split}.right.txt", right)
        paths[f"{split}-wrong"] = write(tmp_path / f"{split}.wrong.txt", wrong)
    paths["qrels"] = tmp_path / "qrels.dev.txt"
    paths["qrels"].write_text("1 0 good 1\n2 0 good 1\n")
    return paths


def test_tuning_finds_the_better_run(runs: dict[str, Path]) -> None:
    from i3_pyserini.eval.runs import read_qrels

    dev = [read_run(runs["dev-wrong"]), read_run(runs["dev-right"])]
    fusion, value = tune(dev, read_qrels(str(runs["qrels"])), "interpolation", "RR@10", 1000)
    assert value == 1 and fusion.weights[1] > fusion.weights[0]
    with pytest.raises(I3Error, match="query '1' and 1 others are in the dev runs"):
        refuse_overlap(dev, dev)


def test_command(runs: dict[str, Path], tmp_path: Path, run_module: Callable[..., Any]) -> None:
    test = (runs["test-wrong"], runs["test-right"])
    tuning = ("--tune", runs["qrels"], "--tune-runs", runs["dev-wrong"], runs["dev-right"])
    command = ("i3_pyserini.search.fuse", *test, "--output", tmp_path / "fused.txt")
    done = run_module(*command, "--method", "interpolation", *tuning)
    assert done.returncode == 0, done.stderr
    assert "dev nDCG@10 1.0000" in done.stdout
    fused = read_run(tmp_path / "fused.txt")
    assert fused.frame.groupby("query_id")["doc_id"].first().tolist() == ["good", "good"]
    stored = tmp_path / "fused.txt.fusion.json"
    assert read_fusion(stored).method == "interpolation"
    again = ("i3_pyserini.search.fuse", *test, "--output", tmp_path / "again.txt")
    assert run_module(*again, "--weights", stored).returncode == 0
    assert (tmp_path / "again.txt").read_text() == (tmp_path / "fused.txt").read_text()


def test_mistakes(runs: dict[str, Path], tmp_path: Path, run_module: Callable[..., Any]) -> None:
    one, two, output = runs["test-wrong"], runs["test-right"], tmp_path / "fused.txt"
    for arguments, said in (
        ((one,), "name two runs or more"),
        ((one, two, "--weights", "1"), "1 weights for 2 runs"),
        ((one, two, "--weights", "1", "-2"), "must be 0 or more"),
        ((one, two, "--weights", "a", "b"), "neither numbers nor a file"),
        ((one, two, "--tune", runs["qrels"]), "--tune needs --tune-runs"),
        ((one, runs["qrels"]), "a run has"),
        ((one, two, "--tune", runs["qrels"], "--tune-runs", one, two), "in the dev runs"),
        ((one, two, "--weights", one), "not stored weights"),
    ):
        done = run_module("i3_pyserini.search.fuse", "--output", output, *arguments)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
        assert said in done.stderr
        assert not output.exists()


def test_runs_keep_their_scores(tmp_path: Path) -> None:
    run = read_run(write(tmp_path / "a", {"q": {"a": 0.5, "b": 7.0}}))
    assert isinstance(run, Run) and run.scores.tolist() == [7.0, 0.5]
