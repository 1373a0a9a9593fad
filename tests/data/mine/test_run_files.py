"""Runs are read as evaluation reads them."""

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3_pyserini.data.mining import Sources, mine
from i3_pyserini.data.negatives import Selection
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.runs import read_run
from tests.data.mine.conftest import HITS, QRELS, TOPICS, left, mined, outputs, trec, with_run

RANKS = st.dictionaries(
    st.sampled_from(["q1", "q2", "q3", "x"]),
    st.dictionaries(st.sampled_from(["p1", "p2", "é", "10", "9"]), st.integers(-2, 2), min_size=1),
    min_size=1,
)


@given(
    scores=RANKS,
    layout=st.sampled_from(["trec", "msmarco"]),
    order=st.randoms(use_true_random=False),
    end=st.sampled_from(["\n", "\r\n", "\n\n"]),
    zipped=st.booleans(),
)
def test_a_run_is_ranked_as_eval_ranks_it(
    scores: dict[str, dict[str, int]],
    layout: str,
    order: Any,
    end: str,
    zipped: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Lines in any order: those of a query need not stand together."""
    form = "{0} Q0 {1} 0 {2} t" if layout == "trec" else "{0}\t{1}\t{2}"
    least = 0 if layout == "trec" else 2  # no rank is below zero
    lines = [
        form.format(qid, pid, least + score)
        for qid, part in scores.items()
        for pid, score in part.items()
    ]
    order.shuffle(lines)
    content = (end.join(lines) + end).encode()
    path = tmp_path_factory.getbasetemp() / ("run.gz" if zipped else "run.txt")
    path.write_bytes(gzip.compress(content) if zipped else content)
    frame = read_run(path).frame
    expected = {
        str(qid): list(group["doc_id"]) for qid, group in frame.groupby("query_id") if qid != "x"
    }
    run = read_run(path)
    assert set(run.queries) == set(scores)
    assert dict(run.hits(expected, 99)) == expected
    assert dict(run.hits(expected, 2)) == {qid: pids[:2] for qid, pids in expected.items()}
    assert dict(run.hits(["nobody"])) == {"nobody": []}


def test_ties_and_disorder_by_hand(sources: Sources) -> None:
    lines = "q1 Q0 p7 1 2.0 t\nq2 Q0 p8 1 9 t\nq1 Q0 p9 2 1e1 t\n\nq1 Q0 p8 3 2 t\n"
    found = mined(with_run(sources, f"\ufeff{lines}"))
    assert found == {"q2": ["p8"], "q1": ["p9", "p8", "p7"]}
    assert mined(with_run(sources, "q1\tp7\t3\nq1\tp9\t1\nq1\tp8\t2\n"))["q1"] == ["p9", "p8", "p7"]


def test_judgements_and_runs_are_read_as_in_evaluation(
    sources: Sources, capsys: pytest.CaptureFixture[str]
) -> None:
    """Compressed, with headers, with a level below zero and a judged query without a topic."""
    expected = mined(sources)
    rows = "".join(
        line.replace(" 0 ", "\t").replace(" ", "\t") + "\n" for line in QRELS.split("\n")
    )
    qrels = f"query-id\tcorpus-id\tscore\n{rows.strip()}\nq1\tp9\t-2\nq8\tp1\t1\n"
    sources.qrels.write_bytes(gzip.compress(qrels.encode()))
    sources.topics.write_bytes(gzip.compress(f"qid\tquery\n{TOPICS}".encode()))
    run = f"qid Q0 docno rank score tag\n{trec(HITS)}"
    assert mined(with_run(sources, gzip.compress(run.encode()))) == expected
    said = capsys.readouterr().err
    assert "1 judgement has a level below zero (lowest -2)" in said
    assert "1 of 4 judged queries is not in" in said and "(q8)" in said


def test_a_run_over_more_queries_is_fine_and_said(sources: Sources) -> None:
    run = trec({"x1": ["p1"], **HITS, "x2": ["nowhere"], "q0": ["nowhere"]})
    summary = mine(with_run(sources, run), Selection(), outputs(sources))
    assert (summary.queries, summary.unknown, summary.without_positive) == (2, 2, 1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "run.txt: empty; expected a run"),
        ("\n \n", "run.txt: empty; expected a run"),
        ("q1 p1\n", r"run.txt, line 1: 2 column\(s\): 'q1 p1'; a run has 6"),
        (f"{trec(HITS)}q1 Q0 p1\n", r"run.txt, line 14: 3 columns"),
        ("q1 Q0 p1 1 high t\n", "line 1: score 'high' is not a finite number"),
        ("q1 Q0 p1 1 nan t\n", "line 1: score 'nan' is not a finite number"),
        ("q1 p1 first\n", "line 1: rank 'first' is not a finite number"),
        (b"q1 p1 1\nq1 p\xff 2\n", "run.txt, line 2: cannot be read"),
        ("q1 p7 1\nq2 p7 1\nq1 p7 2\n", "passage 'p7' is ranked a second time for query 'q1'"),
        ("q1 p7 1\nq1 px 2\n", "run.txt, query q1: passage 'px' is not in the collection"),
        ("q0 p7 1\nx p7 1\n", r"run.txt: contains none of the 3 judged queries of .*topics.tsv"),
        ("q1 p1 1\nq1 p2 2\n", "run.txt: no query has a negative at ranks 1 to 200"),
    ],
)
def test_a_bad_run_is_named_and_leaves_nothing(
    sources: Sources, content: str | bytes, said: str
) -> None:
    with pytest.raises(I3Error, match=said):
        mine(with_run(sources, content), Selection(), outputs(sources))
    assert left(sources) == []


def test_runs_that_cannot_be_read(sources: Sources, tmp_path: Path) -> None:
    with pytest.raises(I3Error, match=r"nowhere.txt: no such file"):
        mine(replace(sources, hits=tmp_path / "nowhere.txt"), Selection(), outputs(sources))
    with pytest.raises(I3Error, match=r"it is a folder"):
        mine(replace(sources, hits=tmp_path), Selection(), outputs(sources))
    torn = gzip.compress(trec(HITS).encode())[:-9]
    with pytest.raises(I3Error, match=r"run.gz: the compressed content is damaged"):
        mine(with_run(sources, torn, "run.gz"), Selection(), outputs(sources))
    assert left(sources) == []
