"""The rank provider against ir-measures' own, on random runs with ties and missing queries."""

from typing import Any

import ir_measures
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.provider import RankProvider, with_ranks
from i3_pyserini.eval.ranking import judged_ranks
from i3_pyserini.formats.measures import choose_measures
from i3_pyserini.formats.runs import Run

# Docids of different lengths: as strings "d10" comes before "d9".
PAIRS = st.tuples(st.integers(0, 4).map("q{}".format), st.integers(0, 14).map("d{}".format))
QRELS = st.dictionaries(PAIRS, st.integers(0, 3), min_size=1, max_size=30)
# Few different scores, so that many tie; the last two are one in single precision.
SCORES = st.sampled_from([-1.5, 0.0, 0.25, 1.0, 2.0, 2.00000001])
RUNS = st.dictionaries(PAIRS, SCORES, min_size=1, max_size=60)
OF_TREC_EVAL = [
    *("AP", "AP@5", "AP(rel=2)", "AP(rel=2)@3", "P@1", "P(rel=2)@5", "P@20", "R@3", "R(rel=3)@10"),
    *("RR", "RR(rel=2)", "Rprec", "Rprec(rel=2)", "Success@1", "Success(rel=2)@5"),
    *("nDCG", "nDCG@3", "nDCG@10", "nDCG(gains={0:0,1:0,2:1,3:5})@5", "NumRet", "NumRet(rel=2)"),
]
# These providers break ties by rising docid, so that they are asked about runs without.
OF_OTHERS = ["RR@3", "RR(rel=2)@10", "Judged@3", "Judged@20", "Judged"]


def values(provider: Any, names: list[str], qrels: Any, run: Any) -> dict[tuple[str, str], float]:
    measures = [ir_measures.parse_measure(name) for name in names]
    return {
        (metric.query_id, str(metric.measure)): metric.value
        for metric in provider.iter_calc(measures, qrels, run)
    }


def as_qrels(judged: dict[tuple[str, str], int]) -> list[ir_measures.Qrel]:
    return [ir_measures.Qrel(query, docid, level) for (query, docid), level in judged.items()]


def as_docs(scored: dict[tuple[str, str], float]) -> list[ir_measures.ScoredDoc]:
    return [ir_measures.ScoredDoc(query, docid, score) for (query, docid), score in scored.items()]


@pytest.mark.slow
@settings(max_examples=300)
@given(QRELS, RUNS)
def test_values_are_trec_evals(
    judged: dict[tuple[str, str], int], scored: dict[tuple[str, str], float]
) -> None:
    qrels, run = as_qrels(judged), as_docs(scored)
    theirs = values(ir_measures.pytrec_eval, OF_TREC_EVAL, qrels, run)
    ours = values(RankProvider(), OF_TREC_EVAL, qrels, run)
    assert ours == pytest.approx(theirs, abs=1e-9)


@settings(max_examples=200)
@given(QRELS, RUNS)
def test_values_without_ties_are_those_of_the_other_providers(
    judged: dict[tuple[str, str], int], scored: dict[tuple[str, str], float]
) -> None:
    qrels = as_qrels(judged)
    run = as_docs({pair: float(n) for n, pair in enumerate(scored)})
    theirs = values(ir_measures.DefaultPipeline, OF_OTHERS, qrels, run)
    ours = values(RankProvider(), OF_OTHERS, qrels, run)
    assert ours == pytest.approx(theirs, abs=1e-9)


@given(QRELS, RUNS)
def test_ranks_of_judged_passages(
    judged: dict[tuple[str, str], int], scored: dict[tuple[str, str], float]
) -> None:
    frame = pd.DataFrame(as_docs(scored))
    found = judged_ranks(pd.DataFrame(as_qrels(judged)), Run.of("run", frame))
    expected = []
    for query in sorted({query for query, _ in judged}):
        hits = [(np.float32(score), docid) for (q, docid), score in scored.items() if q == query]
        for rank, (_, docid) in enumerate(sorted(hits, reverse=True), start=1):
            if (query, docid) in judged:
                expected.append((query, rank, judged[query, docid]))
    names = [found.queries[query] for query in found.query]
    rows = zip(names, found.rank.tolist(), found.relevance.tolist(), strict=True)
    assert list(rows) == expected


def test_other_measures_fall_back_to_ir_measures() -> None:
    qrels = pd.DataFrame({"query_id": ["q"], "doc_id": ["a"], "relevance": [1]})
    run = pd.DataFrame({"query_id": ["q", "q"], "doc_id": ["b", "a"], "score": [2.0, 1.0]})
    measures, _ = choose_measures(
        ["RR@10", "Bpref", "IPrec@0.5", "infAP", "nDCG(judged_only=True)"]
    )
    assert [RankProvider().supports(measure) for measure in measures] == [True, *[False] * 4]
    found = with_ranks().calc_aggregate(measures, qrels, run)
    assert found == ir_measures.calc_aggregate(measures, qrels, run)


@pytest.mark.parametrize(
    ("qrels", "run"),
    [
        ([("q", "a", 1)], [("q", "a", 3.0), ("q", "b", 2.0), ("q", "a", 1.0)]),
        ([("q", "a", 2), ("q", "a", 1), ("q", "b", 0)], [("q", "b", 2.0), ("q", "a", 1.0)]),
        ([("q", "a", 1)], []),
        ([(1, 7, 1)], [(1, 7, 3.0), (1, 8, 4.0)]),
    ],
)
def test_odd_input_is_taken_as_ir_measures_takes_it(qrels: Any, run: Any) -> None:
    measures, _ = choose_measures(["R@10", "nDCG@10", "P@1", "RR", "NumRet"])
    judged = pd.DataFrame(qrels, columns=["query_id", "doc_id", "relevance"])
    ranked = pd.DataFrame(run, columns=["query_id", "doc_id", "score"])
    strings = [frame.astype({"query_id": str, "doc_id": str}) for frame in (judged, ranked)]
    assert with_ranks().calc_aggregate(measures, judged, ranked) == pytest.approx(
        ir_measures.calc_aggregate(measures, *strings)
    )


def test_a_score_that_is_no_number() -> None:
    run = pd.DataFrame({"query_id": ["q"], "doc_id": ["a"], "score": [float("nan")]})
    with pytest.raises(I3Error, match="not a finite number"):
        Run.of("run", run)


def test_runs_may_be_whatever_ir_measures_takes() -> None:
    qrels = {"q": {"a": 1}}
    measure = ir_measures.parse_measure("RR")
    table = pd.DataFrame({"query_id": ["q", "q"], "doc_id": ["b", "a"], "score": [2.0, 1.0]})
    for run in ({"q": {"b": 2.0, "a": 1.0}}, table, Run.of("run", table)):
        assert RankProvider().calc_aggregate([measure], qrels, run) == {measure: 0.5}
