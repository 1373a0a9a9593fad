"""Two runs, query by query and passage by passage."""

import json
import math

import ir_measures
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i3_pyserini.eval.diff_page import as_json, as_markdown, as_text
from i3_pyserini.eval.diff_texts import one_line
from i3_pyserini.eval.diffing import Choice, diff
from i3_pyserini.formats.runs import Run

Ranking = dict[str, list[str]]


def ranked(name: str, ranking: Ranking) -> Run:
    rows = [(query, passage) for query, passages in ranking.items() for passage in passages]
    scores = [-float(row) for row in range(len(rows))]
    frame = pd.DataFrame(rows, columns=["query_id", "doc_id"]).assign(score=scores)
    return Run.of(name, frame)


def judgements(levels: dict[tuple[str, str], int]) -> pl.DataFrame:
    rows = [(query, passage, level) for (query, passage), level in levels.items()]
    return pl.DataFrame(rows, schema=["query_id", "doc_id", "relevance"], orient="row")


def dcg(gains: list[int]) -> float:
    return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))


QUERIES, PASSAGES = [f"q{n}" for n in range(5)], [f"d{n}" for n in range(7)]
RANKINGS = st.dictionaries(
    st.sampled_from([*QUERIES, "extra"]),
    st.lists(st.sampled_from(PASSAGES), unique=True, min_size=1),
    min_size=1,
)
LEVELS = st.dictionaries(
    st.tuples(st.sampled_from(QUERIES), st.sampled_from(PASSAGES)), st.integers(0, 3), min_size=1
)


@settings(max_examples=100)
@given(LEVELS, RANKINGS, RANKINGS, st.integers(1, 4), st.integers(1, 5))
def test_a_naive_computation_says_the_same(
    levels: dict[tuple[str, str], int], a: Ranking, b: Ranking, shown: int, depth: int
) -> None:
    queries = sorted({query for query, _ in levels})
    if not set(queries) & set(a) or not set(queries) & set(b):
        return  # refused, see below

    def ndcg(ranking: Ranking, query: str) -> float:
        best = sorted((level for (one, _), level in levels.items() if one == query), reverse=True)
        gains = [levels.get((query, passage), 0) for passage in ranking.get(query, [])]
        return dcg(gains[:3]) / dcg(best[:3]) if dcg(best[:3]) else 0.0

    def judged(ranking: Ranking, query: str) -> float:
        top = ranking.get(query, [])[:depth]
        return sum((query, passage) in levels for passage in top) / max(len(top), 1)

    def rank(ranking: Ranking, query: str, passage: str) -> int | None:
        passages = ranking.get(query, [])
        return passages.index(passage) + 1 if passage in passages else None

    change = {query: round(ndcg(b, query) - ndcg(a, query), 9) for query in queries}
    runs = (ranked("A", a), ranked("B", b))
    choice = Choice(ir_measures.nDCG @ 3, shown, depth)
    found = diff(judgements(levels), runs, choice, {queries[0]: "text"})
    for listed, sign in ((found.lost, -1), (found.gained, 1)):
        expected = sorted(
            (query for query in queries if change[query] * sign > 0),
            key=lambda query: (-abs(change[query]), query),
        )
        assert [one.query_id for one in listed] == expected[:shown]
        for one in listed:
            query = one.query_id
            assert one.change == pytest.approx(change[query])
            assert one.value_a == pytest.approx(ndcg(a, query))
            assert one.value_b == pytest.approx(ndcg(b, query))
            assert one.judged_a == pytest.approx(judged(a, query))
            assert one.judged_b == pytest.approx(judged(b, query))
            assert one.text == ("text" if query == queries[0] else None)
            union = {*a.get(query, [])[:depth], *b.get(query, [])[:depth]}
            both = {*a.get(query, []), *b.get(query, [])}
            below = {one for one in both - union if levels.get((query, one), 0) > 0}
            found_below = {moved.passage for moved in one.passages} - union
            assert found_below <= below and len(found_below) == min(depth, len(below))
            assert len(one.passages) == len(union) + len(found_below)
            for moved in one.passages:
                assert moved.rank_a == rank(a, query, moved.passage)
                assert moved.rank_b == rank(b, query, moved.passage)
                assert moved.relevance == levels.get((query, moved.passage))
            better = [moved.better_rank for moved in one.passages]
            assert better == sorted(better)
    assert found.queries == len(queries)
    assert found.wins == sum(value > 0 for value in change.values())
    assert found.ties == sum(value == 0 for value in change.values())
    assert found.losses == sum(value < 0 for value in change.values())
    assert found.mean_change == pytest.approx(sum(change.values()) / len(queries))
    assert found.mean_b - found.mean_a == pytest.approx(found.mean_change)
    share_a, share_b = (sum(judged(run, q) for q in queries) / len(queries) for run in (a, b))
    assert (found.judged_a, found.judged_b) == pytest.approx((share_a, share_b))


def test_equal_changes_are_in_the_order_of_ids() -> None:
    """Though that of q2, from 1/6 to 1/2, is larger in floating point than from 0 to 1/3."""
    assert 1 / 2 - 1 / 6 > 1 / 3
    qrels = judgements(dict.fromkeys((("q2", "d"), ("q10", "d"), ("q1", "d")), 1))
    first = {"q1": ["x"], "q10": ["x"], "q2": [*"vwxyz", "d"]}
    second = {"q1": ["x", "y", "d"], "q10": ["x", "y", "d"], "q2": ["x", "d"]}
    runs = (ranked("A", first), ranked("B", second))
    found = diff(qrels, runs, Choice(ir_measures.RR @ 10, 2), {"q1": "text"})
    assert [one.query_id for one in found.gained] == ["q1", "q10"]
    assert found.lost == []


def test_unevenly_judged_runs_are_noted_with_figures() -> None:
    qrels = judgements({("q", "a"): 1, ("q", "b"): 0})

    def notes(second: list[str]) -> list[str]:
        runs = (ranked("A", {"q": ["a", "b"]}), ranked("B", {"q": second}))
        return diff(qrels, runs, Choice(ir_measures.RR @ 10, depth=2), {"q": "text"}).notes

    assert notes(["b", "a"]) == []
    told = (
        "of the top 2, 0.0% of A's passages and 50.0% of B's are unjudged; the measure counts "
        "these as not relevant"
    )
    assert notes(["x", "a"]) == [told]


def test_topics_are_escaped_in_markdown() -> None:
    qrels = judgements({("q3", "d"): 1})
    runs = (ranked("A", {"q3": ["x"]}), ranked("B", {"q3": ["d"]}))
    found = diff(qrels, runs, Choice(ir_measures.RR @ 10), {"q3": "| *hot*\n<b> water"})
    assert r"### gained 1: query q3: \| \*hot\* \<b> water" in as_markdown(found).splitlines()
    assert "gained 1: query q3: | *hot* <b> water" in as_text(found).splitlines()
    assert json.loads(as_json(found))["gained"][0]["text"] == "| *hot*\n<b> water"


def test_texts_are_one_line_and_harmless() -> None:
    assert one_line(" a\n\tb\x00\x1b[0m\x9fc ", 20) == "a b [0m c"
    assert one_line("wörter " * 9, 12) == "wörter wört…"
    assert len(one_line("長" * 50, 10)) == 10
