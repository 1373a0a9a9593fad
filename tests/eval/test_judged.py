"""Gaps in the judgments: condensed lists, Judged@10 beside the measures, and its note."""

from pathlib import Path

import ir_measures
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i3_pyserini.errors import I3Error
from i3_pyserini.eval import evaluate
from i3_pyserini.eval.judged import condensed, evaluate_judged
from i3_pyserini.formats.runs import Run

QRELS = {("q1", "a"): 1, ("q1", "b"): 0, ("q2", "c"): 2}


def judgments(levels: dict[tuple[str, str], int]) -> pl.DataFrame:
    rows = [(query, passage, level) for (query, passage), level in levels.items()]
    return pl.DataFrame(rows, schema=["query_id", "doc_id", "relevance"], orient="row")


def ranked(ranking: dict[str, str], name: str = "run") -> Run:
    rows = [
        (query, passage, float(-rank))
        for query, passages in ranking.items()
        for rank, passage in enumerate(passages)
    ]
    return Run.of(name, pl.DataFrame(rows, schema=["query_id", "doc_id", "score"], orient="row"))


def test_passages_below_unjudged_ones_move_up() -> None:
    run = ranked({"q1": "xyabz", "q2": "xc"})
    short, hits = condensed(run, judgments(QRELS))
    assert hits == 7
    assert short.table.select("query_id", "doc_id", "rank").rows() == [
        *(("q1", "a", 1), ("q1", "b", 2)),
        ("q2", "c", 1),
    ]


RANKINGS = st.dictionaries(
    st.sampled_from(["q1", "q2", "q3"]),
    st.lists(st.sampled_from("abcdef"), unique=True, min_size=1).map("".join),
    min_size=1,
)
LEVELS = st.dictionaries(
    st.tuples(st.sampled_from(["q1", "q2"]), st.sampled_from("abcdef")),
    st.integers(-1, 2),
    min_size=1,
)


@settings(max_examples=60)
@given(LEVELS, RANKINGS)
def test_measures_of_condensed_lists_are_those_of_ir_measures(
    levels: dict[tuple[str, str], int], rankings: dict[str, str]
) -> None:
    measures = [ir_measures.RR @ 10, ir_measures.P @ 2, ir_measures.Judged @ 10]
    kept = {
        query: "".join(one for one in passages if (query, one) in levels)
        for query, passages in rankings.items()
    }
    if not any(kept.values()):
        return
    found = evaluate_judged(judgments(levels), ranked(rankings), measures, judged_only=True)
    wanted = evaluate_judged(
        judgments(levels), ranked({query: kept[query] for query in kept if kept[query]}), measures
    )
    whole = evaluate_judged(judgments(levels), ranked(rankings), measures)
    assert found.means == wanted.means | {"Judged@10": whole.means["Judged@10"]}


def test_no_judged_passage() -> None:
    with pytest.raises(I3Error, match="none of its passages is judged"):
        condensed(ranked({"q1": "xyz"}), judgments(QRELS))


def test_the_command_s_function(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    qrels = {"query_id": ["q1", "q1", "q2"], "doc_id": ["a", "b", "c"], "relevance": [1, 0, 2]}
    runs = {
        "pooled": ranked({"q1": "ab", "q2": "c"}, "pooled"),
        "other": ranked({"q1": "xya", "q2": "zc"}, "other"),
    }
    frame = pl.DataFrame(qrels)
    found = evaluate(frame, runs, measures=["RR@10"])
    assert found.means == {"pooled": {"RR@10": 1.0}, "other": {"RR@10": pytest.approx(5 / 12)}}
    assert "Judged@10" in str(found).splitlines()[0]
    assert "0.42" in capsys.readouterr().err  # (1/3 + 1/2) / 2 of the first hits are judged
    found = evaluate(frame, runs, measures=["RR@10"], judged_only=True)
    assert found.means == {"pooled": {"RR@10": 1.0}, "other": {"RR@10": 1.0}}
    said = capsys.readouterr().err
    assert "3 of 5 hits are unjudged and left out" in said and "pool" not in said.split("other:")[1]
