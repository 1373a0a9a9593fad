import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.runs import Run, read_run
from i3_pyserini.search.fusion import Fusion, fuse
from i3_pyserini.search.fusion_file import read_fusion
from i3_pyserini.search.fusion_tuning import tune

Scores = dict[str, dict[str, float]]


def write(path: Path, scores: Scores) -> Path:
    lines = [
        f"{qid} Q0 {docid} {rank} {score} t\n"
        for qid, hits in scores.items()
        for rank, (docid, score) in enumerate(hits.items(), start=1)
    ]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def rankings(fused: pd.DataFrame) -> dict[str, list[tuple[str, float]]]:
    return {
        str(qid): list(zip(rows["doc_id"], rows["score"], strict=True))
        for qid, rows in fused.groupby("query_id", sort=False)
    }


def naive(runs: list[Scores], fusion: Fusion) -> dict[str, list[tuple[str, float]]]:
    """The definition, query by query and passage by passage."""
    kept = [(run, weight) for run, weight in zip(runs, fusion.weights, strict=True) if weight]
    rankings = {}
    for qid in {qid for run, _ in kept for qid in run}:
        hits = [(run.get(qid, {}), weight) for run, weight in kept]
        total = {}
        for docid in {docid for found, _ in hits for docid in found}:
            values = [weight * naive_value(found, docid, fusion) for found, weight in hits]
            total[docid] = sum(sorted(values))
            if fusion.method == "combmnz":
                total[docid] *= sum(docid in found for found, _ in hits)
        order = sorted(total, key=lambda docid: (float32(total[docid]), docid), reverse=True)
        rankings[qid] = [(docid, total[docid]) for docid in order]
    return rankings


def naive_value(hits: dict[str, float], docid: str, fusion: Fusion) -> float:
    if not hits:
        return 0.0
    if fusion.method == "rrf":
        order = sorted(hits, key=lambda other: (hits[other], other), reverse=True)
        return 1 / (fusion.k + 1 + order.index(docid)) if docid in hits else 0.0
    lowest, highest = min(hits.values()), max(hits.values())
    score = hits.get(docid, lowest)
    if fusion.normalization == "none":
        return score
    if fusion.normalization == "min-max":
        if highest == lowest:
            return float(docid in hits)
        return (score - lowest) / (highest - lowest)
    deviation = pstdev(hits.values())
    return (score - mean(hits.values())) / deviation if deviation else 0.0


def float32(value: float) -> float:
    return float(np.float32(value))


A: dict[str, float] = {"a": 1.0}  # the hits of a query that all runs have
HITS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(-4, 9).map(float), min_size=1)
RUN = st.dictionaries(st.sampled_from(["q1", "q2", "q3"]), HITS).map(lambda run: {**run, "q": A})
RUNS = st.lists(RUN, min_size=2, max_size=3)
METHODS = st.sampled_from(["rrf", "interpolation", "combmnz"])
NORMALIZATIONS = st.sampled_from(["min-max", "z-score", "none"])


def as_run(scores: Scores, name: str = "run") -> Run:
    """What `read_run` makes of the file, which is tested below."""
    rows = [
        (qid, docid, score)
        for qid in scores
        for docid, score in sorted(scores[qid].items(), key=lambda hit: hit[::-1], reverse=True)
    ]
    frame = pd.DataFrame(rows, columns=["query_id", "doc_id", "score"])
    return Run.of(name, frame)


def test_as_run_is_what_a_file_would_give(tmp_path: Path) -> None:
    scores = {"q2": {"a": 1.0, "c": 2.0, "b": 2.0}, "q1": {"a": -1.0}}
    read, made = read_run(write(tmp_path / "run", scores)), as_run(scores)
    pd.testing.assert_frame_equal(read.frame, made.frame)
    assert read.table.equals(made.table)


@given(RUNS, METHODS, NORMALIZATIONS, st.permutations([0.0, 0.25, 1.0, 2.0]))
def test_fusion_is_what_its_formula_says(
    scores: list[Scores], method: Any, normalization: Any, weights: list[float]
) -> None:
    fusion = Fusion(method, tuple(weights[: len(scores)]), 7, normalization)
    found = rankings(fuse([as_run(one) for one in scores], fusion))
    expected = naive(scores, fusion)
    assert found.keys() == expected.keys()
    for qid, hits in found.items():
        assert dict(hits) == pytest.approx(dict(expected[qid]), abs=1e-6)
        values = [score for _, score in hits]
        assert values == sorted(values, reverse=True)
        for (docid, score), (next_docid, next_score) in pairwise(hits):
            assert score > next_score or docid > next_docid  # ties: docid, falling
        if normalization != "z-score":  # whose mean may be rounded in another way
            assert [docid for docid, _ in hits] == [docid for docid, _ in expected[qid]]


@given(RUNS, METHODS, NORMALIZATIONS, st.randoms())
def test_order_of_runs_does_not_matter(
    scores: list[Scores], method: Any, normalization: Any, random: Any
) -> None:
    pairs = list(zip(scores, (0.5, 0.3, 0.2), strict=False))
    shuffled = random.sample(pairs, len(pairs))
    found, again = (
        rankings(fuse([as_run(run) for run, _ in some], Fusion(method, weights, 7, normalization)))
        for some in (pairs, shuffled)
        for weights in [tuple(weight for _, weight in some)]
    )
    assert found == again


@given(RUNS, METHODS)
def test_depth_cuts_the_end_off(scores: list[Scores], method: Any) -> None:
    runs, fusion = [as_run(one) for one in scores], Fusion(method, (1.0,) * len(scores))
    whole, cut = rankings(fuse(runs, fusion)), rankings(fuse(runs, fusion, depth=2))
    assert cut == {qid: hits[:2] for qid, hits in whole.items()}


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
        right = {qid: {"good": 3.0, "x": 2.0, "worse": 1.0} for qid in qids}
        wrong = {qid: {"worse": 3.0, "x": 2.0, "good": 1.0} for qid in qids}
        paths[f"{split}-right"] = write(tmp_path / f"{split}.right.txt", right)
        paths[f"{split}-wrong"] = write(tmp_path / f"{split}.wrong.txt", wrong)
    paths["qrels"] = tmp_path / "qrels.dev.txt"
    paths["qrels"].write_text("1 0 good 1\n2 0 good 1\n", encoding="utf-8")
    return paths


@pytest.mark.parametrize("method", ["rrf", "interpolation"])
def test_tuning_finds_the_better_run(runs: dict[str, Path], method: Any) -> None:
    dev = [read_run(runs["dev-wrong"]), read_run(runs["dev-right"])]
    tuned = tune(dev, read_qrels(str(runs["qrels"])), Fusion(method, (1, 1)), "RR@10")
    assert tuned.value == 1 and tuned.fusion.weights[1] > tuned.fusion.weights[0]
    assert tuned.queries == ["1", "2"]


def test_of_equal_weights_the_most_even_are_taken(tmp_path: Path) -> None:
    dev = [read_run(write(tmp_path / name, {"1": {"good": 2, "x": 1}})) for name in "ab"]
    qrels = pd.DataFrame([("1", "good", 1)], columns=["query_id", "doc_id", "relevance"])
    tuned = tune(dev, qrels, Fusion("rrf", (1, 1)), "nDCG@10")
    assert (tuned.fusion.weights, tuned.fusion.k) == ((0.5, 0.5), 60)
    with pytest.raises(I3Error, match="must divide 1"):
        tune(dev, qrels, Fusion("rrf", (1, 1)), "nDCG@10", step=0.3)
    with pytest.raises(I3Error, match="5,151 points with 3 runs"):
        tune([*dev, dev[0]], qrels, Fusion("rrf", (1, 1, 1)), "nDCG@10", step=0.01)
    with pytest.raises(I3Error, match="qrels belong to other topics"):
        tune(dev, qrels.assign(query_id="9"), Fusion("rrf", (1, 1)), "nDCG@10")


def test_value_of_tuning_is_that_of_evaluation(runs: dict[str, Path], tmp_path: Path) -> None:
    from i3_pyserini.eval.evaluation import evaluate_run
    from i3_pyserini.formats.measures import choose_measures
    from i3_pyserini.formats.run_file import write_run
    from i3_pyserini.search.fusion import hits_of

    random = np.random.default_rng(0)
    dev = [
        as_run({str(q): {f"d{d}": float(random.normal()) for d in range(30)} for q in range(1, 9)})
        for _ in range(2)
    ]
    judged = [(str(q), f"d{d}", (q + d) % 3) for q in range(1, 7) for d in range(0, 40, 3)]
    qrels = pd.DataFrame(judged, columns=["query_id", "doc_id", "relevance"])
    for name in ("nDCG@5", "AP", "R@10"):
        tuned = tune(dev, qrels, Fusion("interpolation", (1, 1)), name)
        ranking = fuse(dev, tuned.fusion)
        write_run(tmp_path / name, *hits_of(ranking))
        found = evaluate_run(qrels, read_run(tmp_path / name), choose_measures([name])[0])
        assert found.means[name] == pytest.approx(tuned.value)
        for weights in ((0.0, 1.0), (1.0, 0.0), (0.5, 0.5)):
            write_run(
                tmp_path / "w",
                *hits_of(fuse(dev, Fusion("interpolation", weights))),
                overwrite=True,
            )
            other = evaluate_run(qrels, read_run(tmp_path / "w"), choose_measures([name])[0])
            assert other.means[name] <= tuned.value + 1e-12


def test_tuning_for_a_measure_whose_program_takes_only_numbers_as_query_ids() -> None:
    dev = [
        as_run({"q-1": {"a": 2.0, "b": 1.0}, "x-1": {"a": 1.0, "b": 2.0}}, name) for name in "ab"
    ]
    judged = [("q-1", "a", 1), ("x-1", "b", 1)]
    qrels = pd.DataFrame(judged, columns=["query_id", "doc_id", "relevance"])
    tuned = tune(dev, qrels, Fusion("interpolation", (1, 1)), "ERR@2")
    assert tuned.value == pytest.approx(1 / 16, abs=1e-5)  # (2**1 - 1) / 2**4 at the first rank


def test_command(runs: dict[str, Path], tmp_path: Path, run_module: Callable[..., Any]) -> None:
    test = (runs["test-wrong"], runs["test-right"])
    tuning = ("--tune", runs["qrels"], "--tune-runs", runs["dev-wrong"], runs["dev-right"])
    command = ("i3_pyserini", "fuse", *test, "--output", tmp_path / "fused.txt")
    done = run_module(*command, "--method", "interpolation", *tuning)
    assert done.returncode == 0, done.stderr
    assert "tuned on 2 dev queries: nDCG@10 1.0000" in done.stdout
    fused = read_run(tmp_path / "fused.txt")
    assert fused.frame.groupby("query_id")["doc_id"].first().tolist() == ["good", "good"]
    stored = tmp_path / "fused.txt.fusion.json"
    assert read_fusion(stored).fusion.method == "interpolation"
    known = json.loads(stored.read_text(encoding="utf-8"))
    assert known["tuned"]["queries"] == ["1", "2"] and known["tuned"]["value"] == 1
    again = ("i3_pyserini", "fuse", *test, "--output", tmp_path / "again.txt")
    assert run_module(*again, "--stored", stored).returncode == 0
    assert (tmp_path / "again.txt").read_text(encoding="utf-8") == (
        tmp_path / "fused.txt"
    ).read_text(encoding="utf-8")
    dev = ("i3_pyserini", "fuse", runs["dev-wrong"], runs["dev-right"])
    done = run_module(*dev, "--output", tmp_path / "dev.txt", "--stored", stored)
    assert done.returncode == 2 and "the dev runs also have 2 queries" in done.stderr


def test_mistakes(runs: dict[str, Path], tmp_path: Path, run_module: Callable[..., Any]) -> None:
    one, two, output = runs["test-wrong"], runs["test-right"], tmp_path / "fused.txt"
    ranks = tmp_path / "ranks.tsv"
    ranks.write_text("3\tgood\t1\n4\tgood\t1\n", encoding="utf-8")
    for arguments, said in (
        ((one,), "two or more runs"),
        ((one, two, "--weights", "1"), "1 weights for 2 runs"),
        ((one, two, "--weights", "1", "-2"), "must be at least 0"),
        ((one, two, "--weights", "a", "b"), "unable to convert"),
        ((one, two, "--tune", runs["qrels"]), "tune requires tune_runs"),
        ((one, runs["qrels"]), "a run has"),
        ((one, one), "is given twice"),
        ((one, runs["dev-right"]), "in another run"),
        ((one, ranks, "--method", "interpolation"), "has only ranks"),
        ((one, two, "--k", "nan"), "k is nan"),
        ((one, two, "--hits", "0"), "hits is 0"),
        ((one, two, "--tune", runs["qrels"], "--tune-runs", one, two), "the dev runs also have"),
        ((one, two, "--stored", one), "not a file of stored weights"),
    ):
        done = run_module("i3_pyserini", "fuse", *arguments, "--output", output)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
        assert said in done.stderr
        assert list(tmp_path.glob("*fused*")) == []


def test_runs_keep_their_scores(tmp_path: Path) -> None:
    run = read_run(write(tmp_path / "a", {"q": {"a": 0.5, "b": 7.0}}))
    assert isinstance(run, Run) and run.table["score"].to_list() == [7.0, 0.5]
