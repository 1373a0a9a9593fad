"""Which hits become negatives: ranks, positives and their copies, and chance."""

import json
from pathlib import Path

import numpy as np
import pytest

from i3_pyserini.data.candidates import Candidates, NegativesFile
from i3_pyserini.data.mining import Sources, Summary, mine
from i3_pyserini.data.negatives import Reason, Selection
from i3_pyserini.data.queries import read_positives, read_queries
from tests.conftest import numbers
from tests.data.mine.conftest import left, mined, outputs, trec, with_run


def test_both_files_and_the_summary(sources: Sources) -> None:
    where = outputs(sources)
    summary = mine(sources, Selection(), where)
    # q2 comes first among the topics; q1 loses p1, its copy p2, and p6, a copy of p5.
    assert where.negatives.read_bytes() == b"q2\tp8,p7\nq1\tp9,p3,p5,p7,p8,p4\n"
    assert where.jsonl is not None
    records = [json.loads(line) for line in where.jsonl.read_text(encoding="utf-8").splitlines()]
    assert records == [
        {
            "qid": "q2",
            "query": "hot water",
            "positives": {"doc_id": ["p3", "p4"]},
            "negatives": {"doc_id": ["p8", "p7"], "rank": [2, 4]},
        },
        {
            "qid": "q1",
            "query": "boil eggs",
            "positives": {"doc_id": ["p1"]},
            "negatives": {
                "doc_id": ["p9", "p3", "p5", "p7", "p8", "p4"],
                "rank": [2, 4, 5, 7, 8, 9],
            },
        },
    ]
    assert summary == Summary(
        queries=2,
        negatives=8,
        left_out={Reason.POSITIVE: 3, Reason.POSITIVE_TEXT: 1, Reason.REPEAT: 1},  # type: ignore[arg-type]
        without_positive=1,
        without_hits=1,
    )
    # Queries, negatives for each, hits left out by reason, queries left out by reason, unknown.
    assert numbers(str(summary)) == ["2", "4.0", *"311", *"110", "0"]
    assert left(sources) == ["negs.jsonl", "negs.tsv"]


def test_training_reads_what_is_mined(sources: Sources, tmp_path: Path) -> None:
    from i3_pyserini.train.prepare import load_data
    from i3_pyserini.train.recipe import Recipe

    mine(sources, Selection(), outputs(sources))
    path = outputs(sources).negatives
    source = NegativesFile(path, read_queries(sources.topics), read_positives(sources.qrels))
    assert list(source) == [
        Candidates("hot water", ["p3", "p4"], ["p8", "p7"], None, None, f"{path}, line 1"),
        Candidates(
            "boil eggs",
            ["p1"],
            ["p9", "p3", "p5", "p7", "p8", "p4"],
            None,
            None,
            f"{path}, line 2",
        ),
    ]
    recipe = Recipe.model_validate(
        {
            "output": tmp_path / "model",
            "model": {"init": "unused"},
            "data": {
                "collection": sources.collection,
                "queries": sources.topics,
                "qrels": sources.qrels,
                "negatives": path,
                "cache": sources.cache,
            },
            "training": {"passages_per_query": 4},
        }
    )
    assert load_data(recipe, reconstructs=False).short == 1  # q2 has two negatives, not three


def test_positives_are_never_mined(sources: Sources) -> None:
    found = mined(sources)
    assert {"p1"}.isdisjoint(found["q1"])
    assert {"p3", "p4"}.isdisjoint(found["q2"])


def test_relevance_says_what_a_positive_is(sources: Sources) -> None:
    assert mined(sources, min_relevance=2) == {"q2": ["p4", "p8", "p7"]}


def test_a_copy_of_an_unretrieved_positive_is_left_out(sources: Sources) -> None:
    found = mined(with_run(sources, trec({"q1": ["p2", "p9"], "q3": ["p6", "p9"]})))
    assert found == {"q1": ["p9"], "q3": ["p9"]}


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        ((1, 2), ["p9"]),
        ((2, 2), ["p9"]),
        ((3, 5), ["p3", "p5"]),
        ((6, 6), ["p6"]),  # its copy p5 is above the range
        ((9, 9), ["p4"]),
        ((8, 99), ["p8", "p4"]),
    ],
)
def test_depth_is_of_ranks_from_1_both_ends_included(
    sources: Sources, depth: tuple[int, int], expected: list[str]
) -> None:
    assert mined(sources, first=depth[0], last=depth[1])["q1"] == expected


def test_without_a_seed_the_best_ranked_are_taken(sources: Sources) -> None:
    assert mined(sources, per_query=3) == {"q2": ["p8", "p7"], "q1": ["p9", "p3", "p5"]}


def test_a_query_without_a_negative_is_in_no_file(sources: Sources) -> None:
    where = outputs(sources)
    summary = mine(sources, Selection(first=5), where)
    assert where.negatives.read_text(encoding="utf-8") == "q1\tp5,p7,p8,p4\n"
    assert where.jsonl is not None
    assert len(where.jsonl.read_text(encoding="utf-8").splitlines()) == 1
    assert (summary.queries, summary.without_negative, summary.without_hits) == (1, 1, 1)


def many(sources: Sources, qids: list[str]) -> Sources:
    """A hundred passages, and one query for each id; all retrieve all."""
    pids = [f"d{number:02}" for number in range(100)]
    sources.collection.write_text(
        "".join(f"{pid}\ttext of {pid}\n" for pid in pids), encoding="utf-8"
    )
    sources.topics.write_text("".join(f"{qid}\tquery {qid}\n" for qid in qids), encoding="utf-8")
    sources.qrels.write_text("".join(f"{qid} 0 d00 1\n" for qid in qids), encoding="utf-8")
    return with_run(sources, trec(dict.fromkeys(qids, pids)))


def test_chance_depends_on_seed_and_query_alone(sources: Sources) -> None:
    found = mined(many(sources, ["a", "b", "c"]), per_query=10, seed=1)
    assert mined(many(sources, ["a", "b", "c"]), per_query=10, seed=1) == found
    alone = mined(many(sources, ["z", "c", "a"]), per_query=10, seed=1)
    assert (alone["a"], alone["c"]) == (found["a"], found["c"])
    assert found["a"] != found["b"] != found["c"]
    other = mined(many(sources, ["a", "b", "c"]), per_query=10, seed=2)
    assert all(other[qid] != found[qid] for qid in "abc")


def test_chance_keeps_the_order_of_ranks_and_reaches_all_of_them(sources: Sources) -> None:
    found = mined(many(sources, [f"q{number}" for number in range(300)]), per_query=10, seed=7)
    assert all(len(pids) == 10 and pids == sorted(set(pids)) for pids in found.values())
    times = np.unique_counts([pid for pids in found.values() for pid in pids])
    # 99 ranks (the first is the positive), each drawn 30 times in the mean; sd 5.2.
    assert len(times.values) == 99
    assert times.counts.min() > 10
    assert times.counts.max() < 56


def test_the_same_bytes_every_time(sources: Sources) -> None:
    contents = set()
    for _ in range(2):
        where = outputs(sources, overwrite=True)
        mine(sources, Selection(per_query=2, seed=3), where)
        assert where.jsonl is not None
        contents.add((where.negatives.read_bytes(), where.jsonl.read_bytes()))
    assert len(contents) == 1
