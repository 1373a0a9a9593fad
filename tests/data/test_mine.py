import gzip
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i3_pyserini import I3Retriever, I3Tokenizer, cli, save_model_directory
from i3_pyserini.data.candidates import Candidates, NegativesFile
from i3_pyserini.data.mining import Index, Outputs, Sources, Summary, mine
from i3_pyserini.data.negatives import Reason, Selection
from i3_pyserini.data.queries import read_positives, read_queries
from i3_pyserini.data.same_text import TextHashes
from i3_pyserini.encode.batches import Batching
from i3_pyserini.encode.encoders import I3DocumentEncoder, I3QueryEncoder
from i3_pyserini.encode.runner import Encoding, run_encoding
from i3_pyserini.encode.spec import EncoderSpec
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.runs import read_run
from i3_pyserini.formats.tables import Table
from i3_pyserini.formats.textstore import open_store

Run = Callable[..., "subprocess.CompletedProcess[str]"]

# p2 says what p1 says, and p6 what p5 says; p9 has the words of p1 in another order.
COLLECTION = """\
p1\tEggs\tBoil them
p2\t\t eggs  BOIL\u00a0them
p3\tWater\thot
p4\tWater\tcold
p5\tLight\tplant
p6\tlight plant\t
p7\tA\tb c
p8\tD\te f
p9\tBoil\tthem eggs
"""
TOPICS = "q2\thot water\nq0\tnobody judged this\nq1\tboil eggs\nq3\tplant light\n"
QRELS = "q1 0 p1 1\nq1 0 p3 0\nq2 0 p3 2\nq2 0 p4 1\nq3 0 p5 1\n"
# q2's best hit is no positive from relevance 2 on.
HITS = {
    "q1": ["p1", "p9", "p2", "p3", "p5", "p6", "p7", "p8", "p4"],
    "q2": ["p4", "p8", "p3", "p7"],
}


def trec(hits: dict[str, list[str]]) -> str:
    return "".join(
        f"{qid} Q0 {pid} {rank} {100 - rank} tag\n"
        for qid, pids in hits.items()
        for rank, pid in enumerate(pids, start=1)
    )


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    for name, content in (
        ("run.txt", trec(HITS)),
        ("topics.tsv", TOPICS),
        ("qrels.txt", QRELS),
        ("collection.tsv", COLLECTION),
    ):
        (tmp_path / name).write_text(content, encoding="utf-8")
    return Sources(
        tmp_path / "run.txt",
        tmp_path / "topics.tsv",
        tmp_path / "qrels.txt",
        tmp_path / "collection.tsv",
        cache=tmp_path / "cache",
    )


def outputs(sources: Sources, **more: Any) -> Outputs:
    folder = sources.topics.parent / "out"
    return Outputs(folder / "negs.tsv", folder / "negs.jsonl", **more)


def mined(sources: Sources, **selection: Any) -> dict[str, list[str]]:
    where = outputs(sources, overwrite=True)
    mine(sources, Selection(**selection), where)
    lines = where.negatives.read_text(encoding="utf-8").splitlines()
    return {qid: pids.split(",") for qid, pids in (line.split("\t") for line in lines)}


def left(sources: Sources) -> list[str]:
    folder = outputs(sources).negatives.parent
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def with_run(sources: Sources, content: str | bytes, name: str = "run.txt") -> Sources:
    path = sources.topics.with_name(name)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return replace(sources, hits=path)


def with_teacher(sources: Sources, *records: dict[str, Any] | str) -> Sources:
    path = sources.topics.with_name("kd_train.jsonl")
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return replace(sources, teacher=path)


def scored(
    query: str, positives: dict[str, float], negatives: dict[str, float], **more: Any
) -> dict[str, Any]:
    parts = {"positives": positives, "negatives": negatives}
    lists = {
        name: {"doc_id": list(part), "score": list(part.values())} for name, part in parts.items()
    }
    return {**more, "query": query, **lists}


# What is chosen


def test_both_files_and_the_summary(sources: Sources) -> None:
    where = outputs(sources)
    summary = mine(sources, Selection(), where)
    # q2 comes first among the topics; q1 loses p1, its copy p2, and p6, a copy of p5.
    assert where.negatives.read_bytes() == b"q2\tp8,p7\nq1\tp9,p3,p5,p7,p8,p4\n"
    assert where.jsonl is not None
    records = [json.loads(line) for line in where.jsonl.read_text().splitlines()]
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
    assert str(summary) == (
        "2 queries with 4.0 negatives on average; hits left out: 3 positives, 1 with a positive's "
        "text, 1 with a better hit's text; queries left out: 1 without a positive, 1 without "
        "hits, 0 without a negative; 0 of the run are not in the topics"
    )
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
    assert where.negatives.read_text() == "q1\tp5,p7,p8,p4\n"
    assert where.jsonl is not None
    assert len(where.jsonl.read_text().splitlines()) == 1
    assert (summary.queries, summary.without_negative, summary.without_hits) == (1, 1, 1)


# Chance


def many(sources: Sources, qids: list[str]) -> Sources:
    """A hundred passages, and one query for each id; all retrieve all."""
    pids = [f"d{number:02}" for number in range(100)]
    sources.collection.write_text("".join(f"{pid}\ttext of {pid}\n" for pid in pids))
    sources.topics.write_text("".join(f"{qid}\tquery {qid}\n" for qid in qids))
    sources.qrels.write_text("".join(f"{qid} 0 d00 1\n" for qid in qids))
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


# The teacher


@pytest.mark.parametrize("named", [True, False])
def test_what_the_teacher_scores_like_a_positive_is_left_out(sources: Sources, named: bool) -> None:
    more = {"qid": "q1"} if named else {}
    record = scored(
        "boil  eggs", {"p1": 5.0, "p0": 3.0}, {"p9": 2.0, "p3": 1.5, "p5": 2.5, "p8": -1.0}, **more
    )
    where = outputs(sources)
    summary = mine(with_teacher(sources, record), Selection(margin=1.0), where)
    # The lowest positive less the margin is 2: p9 is at it, p5 above, p3 and p8 below.
    # p6 is a copy of p5, p7 and p4 have no score, and the teacher does not have q2.
    assert where.negatives.read_text() == "q2\tp8,p7\nq1\tp3,p7,p8,p4\n"
    assert summary.left_out == {
        Reason.POSITIVE: 3,
        Reason.POSITIVE_TEXT: 1,
        Reason.REPEAT: 1,
        Reason.FALSE_NEGATIVE: 2,
    }
    assert summary.unscored == 4
    assert "3.0 negatives on average (4 unscored); " in str(summary)
    assert "2 that the teacher scores like a positive" in str(summary)


def test_the_teacher_leaves_what_training_would_leave(sources: Sources) -> None:
    """The recipe's filter, on the same scores, is the reference; the margins cut at each score."""
    from i3_pyserini.data.candidates import TeacherFile
    from i3_pyserini.train.recipe import NegativesRecipe
    from i3_pyserini.train.sampling import GroupSampler

    scores = {"p9": 0.3, "p3": 0.1, "p5": 0.2, "p7": 0.7, "p8": 0.0, "p4": -0.6}
    with_scores = with_teacher(sources, scored("boil eggs", {"p1": 0.4}, scores, qid="q1"))
    assert with_scores.teacher is not None
    candidates = TeacherFile(with_scores.teacher)[0]
    for margin in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.9):
        recipe = NegativesRecipe(false_negative_margin=margin)
        store = open_store(sources.collection, sources.cache)
        kept = GroupSampler(recipe, 2, store).eligible(candidates, 0.4).negatives
        assert mined(with_scores, margin=margin)["q1"] == kept


def test_a_line_with_an_id_is_for_no_other_query_of_that_text(sources: Sources) -> None:
    sources.topics.write_text("q1\tboil eggs\nq2\tboil eggs\n")
    high = {"p8": 9.0}
    by_id = with_teacher(sources, scored("boil eggs", {"p1": 1.0}, high, qid="q2"))
    assert ["p8" in pids for pids in mined(by_id).values()] == [True, False]
    by_text = with_teacher(sources, scored("boil eggs", {"p1": 1.0}, high))
    assert ["p8" in pids for pids in mined(by_text).values()] == [False, False]


def test_several_lines_of_a_query_count_together(sources: Sources) -> None:
    records = (
        scored("boil eggs", {"p1": 5.0}, {"p9": 4.0, "p8": 1.0, "p3": 3.0}, qid="q1"),
        scored("boil eggs", {"p1": 3.0}, {"p7": 3.0, "p8": 4.0, "p3": 1.0}, qid="q1"),
    )
    assert mined(with_teacher(sources, *records))["q1"] == ["p5", "p4"]


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ((scored("boil eggs", {"p1": 1}, {}), "{"), r"kd_train.jsonl, line 2: not valid JSON"),
        (('{"query": "boil eggs"}',), "line 1: no field 'positives' with a list"),
        ((scored("boil eggs", {}, {"p3": 1}),), "line 1: the query has no positive"),
        ((scored("boil eggs", {"p1": float("nan")}, {}),), "line 1: .*passage p1 is nan"),
        ((scored("fry eggs", {"p1": 1}, {}),), "none of the 2 queries is scored here"),
        (("",), "kd_train.jsonl: empty"),
        (
            (scored("fry eggs", {"p1": 1}, {}, qid="q1"),),
            "line 1: query q1 is 'fry eggs' here, but 'boil eggs' in the topics",
        ),
    ],
)
def test_a_bad_teacher_file_is_named(
    sources: Sources, records: tuple[dict[str, Any] | str, ...], said: str
) -> None:
    with pytest.raises(I3Error, match=said):
        mine(with_teacher(sources, *records), Selection(), outputs(sources))
    assert left(sources) == []


# Reading a run

RANKS = st.dictionaries(
    st.sampled_from(["q1", "q2", "q3", "x"]),
    st.dictionaries(st.sampled_from(["p1", "p2", "é", "10", "9"]), st.integers(-2, 2), min_size=1),
    min_size=1,
)


@settings(deadline=None)
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
        ("q0 p7 1\nx p7 1\n", r"run.txt: has none of the 3 judged queries of .*topics.tsv"),
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


# Texts that are the same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a b\tc", "a\tb c", True),
        ("A\tb", "\ta \u2003B ", True),
        ("Straße\tx", "STRASSE\tX", True),
        ("a\tb c", "a\tbc", False),
        ("a\tb", "b\ta", False),
        ("a\tb.", "a\tb", False),
        ("a\t", "\t", False),
    ],
)
def test_texts_that_are_the_same(tmp_path: Path, one: str, other: str, same: bool) -> None:
    path = tmp_path / "c.tsv"
    path.write_text(f"p1\t{one}\np2\t{other}\np3\tsomething else\n", encoding="utf-8")
    hashes, known = TextHashes(open_store(path)).look_up(["p2", "p1", "p4", "p2"])
    assert (hashes[0] == hashes[1]) == same
    assert hashes[0] == hashes[3]
    assert known.tolist() == [True, True, False, True]


def test_more_texts_than_are_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "c.tsv"
    path.write_text("".join(f"p{number}\ttext {number % 4999}\n" for number in range(5001)))
    texts = TextHashes(open_store(path))
    hashes, known = texts.look_up([f"p{number}" for number in range(5002)])
    assert known.tolist() == [True] * 5001 + [False]
    assert len(set(hashes[:5001].tolist())) == 4999
    assert hashes[4999] == hashes[0]
    assert hashes[5000] == hashes[1]
    assert texts.look_up([])[0].shape == (0,)


# Searching an index


@pytest.fixture
def index(tiny_model: tuple[I3Retriever, I3Tokenizer], sources: Sources, tmp_path: Path) -> Index:
    save_model_directory(*tiny_model, tmp_path / "model")
    corpus = tmp_path / "corpus.jsonl"
    rows = [line.split("\t") for line in COLLECTION.splitlines()]
    corpus.write_text(
        "".join(
            json.dumps(dict(zip(("id", "title", "text"), row, strict=True))) + "\n" for row in rows
        )
    )
    run_encoding(
        Corpus(corpus),
        EncoderSpec(str(tmp_path / "model")),
        IndexOutput(tmp_path / "index"),
        Encoding(Batching(passages=4)),
    )
    return Index(tmp_path / "index", str(tmp_path / "model" / "query_encoder"), "cpu")


def test_an_index_is_searched_with_the_models_queries(
    index: Index, sources: Sources, tmp_path: Path
) -> None:
    rows = [line.split("\t") for line in COLLECTION.splitlines()]
    model = str(tmp_path / "model")
    passages = I3DocumentEncoder(model, "cpu").encode(
        [row[2] for row in rows], titles=[row[1] for row in rows]
    )
    queries = {"q1": "boil eggs", "q2": "hot water", "q3": "plant light"}
    ranked = {}
    for qid, query in queries.items():
        scores = passages @ I3QueryEncoder(model, "cpu").encode(query)
        ranked[qid] = [rows[row][0] for row in np.argsort(-scores)]
    as_run = mined(with_run(sources, trec({qid: pids[:7] for qid, pids in ranked.items()})))
    where = outputs(sources, overwrite=True)
    summary = mine(replace(sources, hits=index), Selection(last=7), where)
    lines = [line.split("\t") for line in where.negatives.read_text().splitlines()]
    assert {qid: pids.split(",") for qid, pids in lines} == as_run
    assert [qid for qid, _ in lines] == ["q2", "q1", "q3"]
    assert (summary.without_hits, summary.without_positive, summary.unknown) == (0, 1, 0)
    more = mine(replace(sources, hits=index), Selection(last=500), where)  # than there are
    assert more.negatives + sum(more.left_out.values()) == 3 * 9


def test_the_corpus_is_read_as_it_was_encoded(
    index: Index, sources: Sources, tmp_path: Path
) -> None:
    expected = mined(replace(sources, hits=index))
    rows = [line.replace("\t", ";") for line in COLLECTION.splitlines()]
    (tmp_path / "c.csv").write_text("\n".join(["sku;name;words", *rows]), encoding="utf-8")
    corpus = Corpus(
        tmp_path / "c.csv",
        docid_field="sku",
        title_field="name",
        text_field="words",
        table=Table(";"),
    )
    spec, output = EncoderSpec(str(tmp_path / "model")), IndexOutput(tmp_path / "of csv")
    run_encoding(corpus, spec, output, Encoding())
    of_csv = replace(sources, hits=replace(index, path=output.target), collection=corpus.path)
    assert mined(of_csv) == expected


def test_hits_of_an_index_are_searched_in_parts(
    index: Index, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = mined(replace(sources, hits=index))
    monkeypatch.setattr("i3_pyserini.data.index_hits.SEARCHED", 2)
    assert mined(replace(sources, hits=index)) == at_once


def test_ties_in_an_index_are_as_in_a_run(index: Index, sources: Sources) -> None:
    import faiss

    vectors = faiss.IndexFlatIP(32)
    vectors.add(np.zeros((9, 32), dtype=np.float32))
    faiss.write_index(vectors, str(index.path / "index"))
    assert mined(replace(sources, hits=index))["q2"] == "p9 p8 p7 p6 p2".split()


def test_an_index_that_finds_fewer_hits(index: Index, sources: Sources) -> None:
    import faiss

    vectors = np.ones((9, 32), dtype=np.float32)
    vectors[4:] *= -1  # two clusters, of which one is searched
    cells = faiss.IndexIVFFlat(faiss.IndexFlatIP(32), 32, 2, faiss.METRIC_INNER_PRODUCT)
    cells.train(vectors)
    cells.add(vectors)
    faiss.write_index(cells, str(index.path / "index"))
    found = mined(replace(sources, hits=index), min_relevance=1)
    # All scores tie: p4 p3 p2 p1 or p9 p8 p7 p6 p5, without positives and copies.
    assert found["q2"] in (["p2"], ["p9", "p8", "p7", "p6"])


def test_an_index_that_does_not_fit_is_refused(
    index: Index, sources: Sources, tiny_bert: str, tmp_path: Path
) -> None:
    import faiss
    import torch

    def refused(said: str, hits: Index = index) -> None:
        with pytest.raises(I3Error, match=said):
            mine(replace(sources, hits=hits), Selection(), outputs(sources))
        assert left(sources) == []

    other = I3Retriever.from_backbone(tiny_bert)
    torch.nn.init.ones_(next(other.parameters()))
    save_model_directory(
        other, I3Tokenizer.from_pretrained(tiny_bert, other.config), tmp_path / "other"
    )
    refused("index: encoded by another model", replace(index, encoder=str(tmp_path / "other")))
    refused("nowhere: no index here", replace(index, path=tmp_path / "nowhere"))
    refused("nowhere", replace(index, encoder=str(tmp_path / "nowhere")))
    docids = index.path / "docid"
    names = docids.read_text()
    docids.write_text(names.replace("p4", "px"))
    refused("docid, line 4: passage 'px' is not in the collection")
    docids.write_text(names + "p10\n")
    refused("index: 10 ids but 9 vectors")
    docids.write_text(names)
    distances = faiss.IndexFlatL2(32)
    distances.add(np.zeros((9, 32), dtype=np.float32))
    faiss.write_index(distances, str(index.path / "index"))
    refused("index: not an inner-product index")


# What is refused


def test_inputs_that_do_not_fit_are_named(sources: Sources) -> None:
    def refused(said: str, **changed: str) -> None:
        for name, content in changed.items():
            getattr(sources, name).write_text(content)
        with pytest.raises(I3Error, match=said):
            mine(sources, Selection(), outputs(sources))
        assert left(sources) == []

    refused("topics.tsv, line 2: the query is empty", topics="q1\tboil\nq2\t \n")
    refused(
        r"topics.tsv: query id 'q\\xa01' has white space",
        topics="q\u00a01\tboil\n",
        qrels="q\u00a01 p1\n",
    )
    sources.topics.write_text(TOPICS)
    refused("qrels.txt: no positive for any of the 4 queries of .*topics.tsv", qrels="q9 p1\n")
    refused("positive 'gone' of query q1 is not in .*collection.tsv", qrels="q1 p1\nq1 gone\n")
    refused("qrels.txt: no passage has a relevance of at least 1", qrels="q1 0 p1 0\n")
    sources.qrels.write_text(QRELS)
    refused("collection.tsv: no passages in 1 file", collection="")
    sources.collection.unlink()
    with pytest.raises(I3Error, match=r"collection.tsv: no such file or folder"):
        mine(sources, Selection(), outputs(sources))


def test_ids_that_the_file_cannot_hold_are_refused(sources: Sources) -> None:
    pid = "p,7"
    sources.collection.write_text(COLLECTION.replace("p7", pid), encoding="utf-8")
    run = trec(HITS).replace("p7", pid)
    with pytest.raises(
        I3Error, match=re.escape(f"query q2: passage id {pid!r} has a comma or white")
    ):
        mine(with_run(sources, run), Selection(), outputs(sources))
    assert left(sources) == []
    assert mined(sources, per_query=1) == {"q2": ["p8"], "q1": ["p9"]}  # it is not among these


def test_outputs_in_the_way_or_out_of_reach(sources: Sources, tmp_path: Path) -> None:
    where = outputs(sources)
    assert where.jsonl is not None
    mine(sources, Selection(), where)
    before = where.negatives.read_bytes()
    for taken, other in ((where.negatives, "a"), (where.jsonl, "b")):
        mixed = replace(where, negatives=taken, jsonl=tmp_path / other)
        with pytest.raises(I3Error, match=f"{taken.name}: exists.*--overwrite"):
            mine(sources, Selection(), mixed)
        with pytest.raises(I3Error, match=f"{taken.name}: exists.*--overwrite"):
            mine(sources, Selection(), Outputs(tmp_path / other, taken))
        assert not (tmp_path / other).exists()
    assert where.negatives.read_bytes() == before
    with pytest.raises(I3Error, match=r"out: is a folder; name a file"):
        mine(sources, Selection(), Outputs(where.negatives.parent, overwrite=True))
    with pytest.raises(I3Error, match=r"negs.tsv: cannot be written"):
        mine(sources, Selection(), Outputs(Path("/proc/none/negs.tsv")))
    for twice in (sources.topics, where.negatives):
        with pytest.raises(I3Error, match=f"{twice.name}: is named twice"):
            mine(sources, Selection(), replace(where, jsonl=twice, overwrite=True))


def test_outputs_are_opened_before_the_run_is_read(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("i3_pyserini.data.mining.read_run", lambda *_: pytest.fail("read"))
    with pytest.raises(I3Error, match="cannot be written"):
        mine(sources, Selection(), Outputs(Path("/proc/none/negs.tsv")))


def test_a_full_disk_leaves_both_old_files(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = outputs(sources, overwrite=True)
    assert where.jsonl is not None
    mine(sources, Selection(), where)
    before = where.negatives.read_bytes(), where.jsonl.read_bytes()

    def full(descriptor: int) -> None:
        if "negs.tsv" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(I3Error, match=r"cannot be written \(No space left"):
        mine(sources, Selection(per_query=1), where)
    assert (where.negatives.read_bytes(), where.jsonl.read_bytes()) == before
    assert left(sources) == ["negs.jsonl", "negs.tsv"]


# The command


def command(sources: Sources, *more: object) -> tuple[object, ...]:
    return (
        *("i3_pyserini", "data", "mine", "--run", sources.hits, "--topics", sources.topics),
        *("--qrels", sources.qrels, "--corpus", sources.collection),
        *("--output", outputs(sources).negatives, *more),
    )


def test_the_command_mines(sources: Sources, run_module: Run) -> None:
    record = scored("boil eggs", {"p1": 3.0}, {"p9": 2.0, "p3": 1.5}, qid="q1")
    teacher = with_teacher(sources, record).teacher
    done = run_module(
        *command(sources, "--depth", "2-8", "--per-query", 2, "--jsonl", outputs(sources).jsonl),
        *("--teacher", teacher, "--margin", 1, "--cache", sources.cache),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert outputs(sources).negatives.read_text() == "q2\tp8,p7\nq1\tp3,p5\n"
    assert done.stdout == (
        f"wrote {outputs(sources).negatives}: 2 queries with 2.0 negatives on average (3 unscored);"
        " hits left out: 1 positives, 1 with a positive's text, 1 with a better hit's text, 1 that "
        "the teacher scores like a positive; queries left out: 1 without a positive, 1 without "
        "hits, 0 without a negative; 0 of the run are not in the topics\n"
    )


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--depth", "5-2"), "depth is '5-2', must be a range of ranks from 1 on"),
        (("--depth", "0-10"), "depth is '0-10'"),
        (("--depth", "10"), "depth is '10'"),
        (("--depth", "1-x"), "depth is '1-x'"),
        (("--depth=-1-5",), "depth is '-1-5'"),
        (("--per-query", "0"), "per_query is 0, must be at least 1"),
        (("--model", "m"), "model and device are for index"),
        (("--margin", "1"), "teacher and margin go together"),
        (("--teacher", "t"), "teacher and margin go together"),
        (("--teacher", "t", "--margin=-1"), "margin is -1.0, must be a number from 0 on"),
        (("--teacher", "t", "--margin", "nan"), "margin is nan"),
    ],
)
def test_arguments_out_of_range(flags: tuple[str, ...], said: str, sources: Sources) -> None:
    with pytest.raises(I3Error, match=said):
        cli.run([str(part) for part in command(sources, *flags)[1:]])
    assert left(sources) == []


def test_the_command_takes_the_model_from_the_index(
    index: Index, sources: Sources, run_module: Run
) -> None:
    expected = mined(replace(sources, hits=index))
    argv = [str(part) for part in command(sources, "--overwrite", "--device", "cpu")]
    argv[argv.index("--run") : argv.index("--topics")] = ["--index", str(index.path)]
    assert run_module(*argv).returncode == 0
    lines = [line.split("\t") for line in outputs(sources).negatives.read_text().splitlines()]
    assert {qid: pids.split(",") for qid, pids in lines} == expected


def test_a_mistake_is_one_line(sources: Sources, run_module: Run) -> None:
    done = run_module(*command(with_run(sources, "")))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {sources.hits}: empty; expected a run: ")
    assert done.stderr.count("\n") == 1


def test_help_and_a_run_need_no_torch(sources: Sources) -> None:
    code = (
        "import sys; from i3_pyserini.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'transformers', 'faiss'} & set(sys.modules)))"
    )
    for arguments in (("data", "mine", "--help"), command(sources)[1:]):
        words = [sys.executable, "-c", code, *map(str, arguments)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]"
