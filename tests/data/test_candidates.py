import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.data.candidates import (
    Candidates,
    CandidateSource,
    JudgedQueries,
    NegativesFile,
    TeacherFile,
)
from i3_pyserini.errors import I3Error
from tests.formats.damage import compressed

QUERIES = {"q1": "boil eggs", "q2": "hot water", "q3": "unjudged"}
POSITIVES = {"q1": ["p1", "p5"], "q2": ["p2"], "q9": ["p3"]}
RECORD: dict[str, Any] = {
    "query": "boil eggs",
    "positives": {"doc_id": ["p1", 5], "score": [1.5, 2]},
    "negatives": {"doc_id": ["p7", "p8", "p9"], "score": [0.5, -1, 1e-3]},
}


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def negatives(path: Path, content: str | bytes) -> NegativesFile:
    return NegativesFile(written(path, content), QUERIES, POSITIVES)


def changed(**fields: Any) -> str:
    return json.dumps({**RECORD, **fields})


def scored(**fields: Any) -> dict[str, Any]:
    return {"doc_id": ["p1", "p2"], "score": [1.0, 2.0], **fields}


def test_queries_that_do_not_train_are_known(tmp_path: Path) -> None:
    assert JudgedQueries(QUERIES, POSITIVES, "qrels").left_out() == ["q3"]
    lines = "\ufeffq2\tp7\n\nq2 p9\n"
    assert negatives(tmp_path / "n.tsv", lines).left_out() == ["q1", "q3"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", "\r\n  \r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_negatives_file(tmp_path: Path, end: str, mark: str) -> None:
    path = tmp_path / "n.tsv"
    source = negatives(path, f"{mark}q2\tp7,p8,p9{end}q1\tp3{end}q1{end}q2\tp1,,p2,")
    lines = end.count("\n")
    expected = [
        Candidates(QUERIES[qid], POSITIVES[qid], pids, None, None, f"{path}, line {line}")
        for qid, pids, line in (
            ("q2", ["p7", "p8", "p9"], 1),
            ("q1", ["p3"], 1 + lines),
            ("q1", [], 1 + 2 * lines),
            ("q2", ["p1", "p2"], 1 + 3 * lines),
        )
    ]
    assert len(source) == 4
    assert list(source) == expected
    assert [source[number] for number in (3, 0, 2, 1)] == [expected[n] for n in (3, 0, 2, 1)]
    assert not source.has_scores


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"q8\tp1", "query q8 has no text in the training queries"),
        (b"q3\tp1", "query q3 has no positive in the training qrels"),
        (b"q1\tp1, p2", "expected a query id, a tab and ids joined by commas"),
        (b"q1\tp1\tp2", "expected a query id, a tab and ids joined by commas"),
        (b"q1\t\xff", "not valid UTF-8"),
        (b"\xc2\xa0", "expected a query id"),
    ],
)
def test_bad_negatives(tmp_path: Path, line: bytes, said: str) -> None:
    source = negatives(tmp_path / "n.tsv", b"q1\tp7\n\n" + line + b"\n")
    assert source[0].negatives == ["p7"]
    with pytest.raises(I3Error, match=f"n.tsv, line 3: {said}"):
        source[1]
    with pytest.raises(I3Error, match=f"n.tsv, line 3: {said}"):
        list(source)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(I3Error, match="nowhere: no such file"):
        NegativesFile(tmp_path / "nowhere", QUERIES, POSITIVES)
    with pytest.raises(I3Error, match=r"n.tsv: empty"):
        negatives(tmp_path / "n.tsv", "\n \n")
    with pytest.raises(I3Error, match="no such file"):
        TeacherFile(tmp_path)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_teacher_file(tmp_path: Path, end: str) -> None:
    path = tmp_path / "t.jsonl"
    second = changed(query="naïve", negatives={"doc_id": [], "score": []})
    source = TeacherFile(written(path, f"\ufeff{json.dumps(RECORD)}{end}{end}{second}{end}"))
    first = Candidates(
        "boil eggs",
        ["p1", "5"],
        ["p7", "p8", "p9"],
        [1.5, 2.0],
        [0.5, -1.0, 1e-3],
        f"{path}, line 1",
    )
    assert source[0] == first
    assert (source[1].query, source[1].negatives, source[1].negative_scores) == ("naïve", [], [])
    assert source[1].place == f"{path}, line 3"
    assert list(source) == [source[0], source[1]]
    assert source.has_scores


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", r"not valid JSON \("),
        ("[" * 100_000, "not (valid|usable) JSON"),
        ("[]", "expected a JSON object"),
        (changed(query=" "), "no field 'query' with a text"),
        (changed(query=7), "no field 'query' with a text"),
        (changed(positives=None), "no field 'positives' with a list 'doc_id' of ids"),
        (changed(negatives={"doc_id": []}), "no field 'negatives' with a list 'score'"),
        (changed(negatives=scored(doc_id=5)), "no field 'negatives' with a list 'doc_id' of"),
        (changed(negatives=scored(doc_id="p1")), "no field 'negatives' with a list 'doc_id' of"),
        (changed(negatives=scored(score=5)), "no field 'negatives' with a list 'score'"),
        (changed(positives=scored(score=[1.0])), "2 positives but 1 scores"),
        (changed(negatives=scored(score=[1, 2, 3])), "2 negatives but 3 scores"),
        (changed(positives={"doc_id": [], "score": []}), "the query has no positive"),
        (
            changed(negatives=scored(score=[1, float("nan")])),
            "the teacher's score of passage p2 is nan",
        ),
        (
            changed(positives=scored(score=[float("inf"), 1])),
            "the teacher's score of passage p1 is inf",
        ),
        (changed(negatives=scored(score=[1, None])), "the teacher's score of passage p2 is None"),
        (changed(negatives=scored(score=["1", 2])), "the teacher's score of passage p1 is '1'"),
        (changed(negatives=scored(score=[1, True])), "the teacher's score of passage p2 is True"),
        *(
            (changed(negatives=scored(doc_id=["p1", odd])), "no field 'negatives' with a list 'doc")
            for odd in (None, True, 1.5, " ", ["p1"])
        ),
        (changed(query="\ud83d"), "a lone surrogate"),
        (changed(negatives=scored(score=[10**400, 2])), "the teacher's score of passage p1 is 1"),
    ],
)
def test_bad_teacher_lines(tmp_path: Path, line: str, said: str) -> None:
    source = TeacherFile(written(tmp_path / "t.jsonl", f"{json.dumps(RECORD)}\n{line}\n"))
    assert len(source) == 2
    with pytest.raises(I3Error, match=f"t.jsonl, line 2: {said}"):
        source[1]


@pytest.mark.parametrize("kind", ["negatives", "teacher"])
@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_compressed_files_are_named(tmp_path: Path, kind: str, how: str) -> None:
    path = written(tmp_path / "t.jsonl.gz", compressed(json.dumps(RECORD).encode(), how))
    with pytest.raises(I3Error, match=r"t\.jsonl\.gz: is compressed"):
        NegativesFile(path, QUERIES, POSITIVES) if kind == "negatives" else TeacherFile(path)


def test_judged_queries(tmp_path: Path) -> None:
    source: CandidateSource = JudgedQueries(QUERIES, POSITIVES, "qrels.txt")
    assert list(source) == [
        Candidates("boil eggs", ["p1", "p5"], [], None, None, "qrels.txt, query q1"),
        Candidates("hot water", ["p2"], [], None, None, "qrels.txt, query q2"),
    ]
    with pytest.raises(I3Error, match=r"qrels.txt: none of the 1 training queries is judged"):
        JudgedQueries({"q3": "x"}, POSITIVES, "qrels.txt")


def test_leaving_out_negatives() -> None:
    candidates = Candidates("q", ["p1"], ["a", "b", "c"], [1.0], [3.0, 1.0, 2.0], "here")
    rest = candidates.without({"a", "p1"})
    assert (rest.negatives, rest.negative_scores) == (["b", "c"], [1.0, 2.0])
    low = candidates.below(2.5)
    assert (low.negatives, low.negative_scores) == (["b", "c"], [1.0, 2.0])
    assert (low.positives, low.positive_scores, low.place) == (["p1"], [1.0], "here")
    nothing = candidates.without({"a", "b", "c"})
    assert (nothing.negatives, nothing.negative_scores) == ([], [])
    assert Candidates("q", ["p"], ["a"], None, None, "").without({"a"}).negative_scores is None


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["negatives", "teacher"])
def test_only_the_places_of_lines_are_kept(tmp_path: Path, kind: str) -> None:
    pids = [f"p{number:09}" for number in range(200)]
    if kind == "negatives":
        line = f"q1\t{','.join(pids)}\n"
    else:
        line = changed(negatives={"doc_id": pids, "score": [0.5] * len(pids)}) + "\n"
    path = written(tmp_path / "large", line * 2000)
    tracemalloc.start()
    try:
        source = (
            NegativesFile(path, QUERIES, POSITIVES) if kind == "negatives" else TeacherFile(path)
        )
        built = tracemalloc.get_traced_memory()[0]
        assert sum(len(candidates.negatives) for candidates in source) == 2000 * 200
        read = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 4_000_000
    assert built < 2000 * 20
    assert read < 2000 * 60
