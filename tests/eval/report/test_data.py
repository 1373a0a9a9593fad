"""Numbers of the figures, recomputed in plain loops."""

from pathlib import Path

import numpy as np
import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.evaluation import Evaluation, evaluate_run
from i3_pyserini.eval.ranking import judged_ranks
from i3_pyserini.eval.report.costs import read_costs
from i3_pyserini.eval.report.data import (
    bubbles,
    first_ranks,
    recall_by_depth,
    recall_table,
    scatter_table,
)
from i3_pyserini.formats.measures import choose_measures
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.runs import Run, read_run


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("name", ["run.a", "run.c"])
def test_recall_and_first_ranks(folder: Path, name: str, level: int) -> None:
    qrels, run = read_qrels(str(folder / "qrels.txt")), read_run(folder / name)
    ranks = judged_ranks(qrels, run)
    curve, bins = recall_by_depth(ranks, level), first_ranks(ranks, level)
    expected = dict.fromkeys(bins, 0)
    ranked: dict[str, list[str]] = {}
    for query, docid, _, _ in run.table.iter_rows():
        ranked.setdefault(query, []).append(docid)
    for query in ranks.queries:
        relevant = {d for q, d, r in qrels.iter_rows() if q == query and r >= level}
        hits = [rank for rank, d in enumerate(ranked.get(query, []), 1) if d in relevant]
        first = min(hits, default=0)
        bounds = {"1": (1, 1), "2–3": (2, 3), "4–10": (4, 10), "11–100": (11, 100)}
        place = [name for name, (low, high) in bounds.items() if low <= first <= high]
        expected[place[0] if place else "not found"] += 1
    assert bins == expected
    assert sum(bins.values()) == len(ranks.queries)
    for depth in (1, 2, 10, 25, 1000):  # the curve is ir-measures' recall
        measures, _ = choose_measures([f"R(rel={level})@{depth}"])
        means = evaluate_run(qrels, run, measures).means
        assert curve[depth - 1] == pytest.approx(next(iter(means.values())))


def test_curves_end_where_the_runs_do(folder: Path) -> None:
    qrels = read_qrels(str(folder / "qrels.txt"))
    ranks = {"a": judged_ranks(qrels, read_run(folder / "run.a"))}
    table = recall_table(ranks, 1)
    depths = [int(row[0]) for row in table.rows]
    assert (depths[0], depths[-1]) == (1, 25)
    assert depths == sorted(set(depths))
    qrels_run = read_run(folder / "run.a")
    ranks["b"] = judged_ranks(qrels, Run("b", qrels_run.table.group_by("query_id").head(10)))
    table = recall_table(ranks, 1)
    assert [int(row[0]) for row in table.rows if row[1]] == depths
    assert max(int(row[0]) for row in table.rows if row[2]) == 10
    assert all(row[1] == row[2] for row in table.rows if row[2])


def test_points_that_fall_together() -> None:
    values = {"x": np.array([0.5, 0.50001, 1.0]), "y": np.array([1.0, 1.0, 0.0])}
    one, other = (Evaluation(n, ["1", "2", "3"], {"RR": v}, []) for n, v in values.items())
    table = scatter_table("RR", one, other)
    assert table.rows[1] == ["2", "0.50001", "1.0"]
    assert bubbles(table) == [(0.5, 1.0, 2), (1.0, 0.0, 1)]


HEADER = "run\tqueries_per_second\tindex_bytes\n"


def test_costs(tmp_path: Path) -> None:
    path = tmp_path / "costs.tsv"
    path.write_text(HEADER + "b\t2\t3e6\na\t1.5\t7\n", encoding="utf-8")
    costs = read_costs(path, ["a", "b"])
    assert list(costs) == ["a", "b"]
    assert (costs["b"].queries_per_second, costs["b"].index_bytes) == (2, 3e6)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "costs.tsv, line 1: ''; expected run<tab>queries_per_second<tab>index_bytes"),
        ("run,qps\n", r"line 1: 'run,qps'; expected"),
        (HEADER + "a\tfast\t1\n", "line 2: 2 values .*; expected two numbers"),
        (HEADER + "a\t1\n", "line 2: 1 values"),
        (HEADER + "a\t0\t1\n", "line 2: 0 and 1; both must be above zero"),
        (HEADER + "a\tnan\t1\n", "both must be above zero"),
        (HEADER + "a\t1\t1\na\t1\t1\n", "line 3: run 'a' occurs twice"),
        (HEADER + "b\t1\t1\n", "costs.tsv: no line for a"),
    ],
)
def test_bad_costs(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "costs.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(I3Error, match=said):
        read_costs(tmp_path / "costs.tsv", ["a"])


def test_a_run_without_relevant_passages() -> None:
    import pandas as pd

    qrels = pd.DataFrame({"query_id": ["q"], "doc_id": ["a"], "relevance": [0]})
    run = Run.of("run", pd.DataFrame({"query_id": ["q"], "doc_id": ["a"], "score": [1.0]}))
    ranks = judged_ranks(qrels, run)
    assert recall_by_depth(ranks, 1).tolist() == [0.0] * 1000
    assert first_ranks(ranks, 1)["not found"] == 1
