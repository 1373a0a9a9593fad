"""Judgements: one reader for every kind of file; what is odd is refused, or taken and counted."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from i3_pyserini.data.queries import read_judged_queries, read_positives
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.names import LEVEL, PASSAGE_ID, QUERY_ID
from i3_pyserini.formats.qrels import (
    as_pandas,
    as_polars,
    judgements_of,
    note_without_topic,
    read_judgements,
    read_qrels,
    write_qrels,
)
from tests.formats.compressed import COMPRESS, ODD_NAMES, write

Rows = list[tuple[str, str, int]]
ROWS: Rows = [("q1", "d1", 2), ("q1", "d2", 0), ("q2", "é", 1)]
FORMS: dict[str, tuple[str, Callable[[str, str, int], str]]] = {
    "TREC": ("", "{} 0 {} {}".format),
    "TREC with tabs": ("", "{}\t0\t{}\t{}".format),
    "TREC with any blanks": ("", "  {}\t0   {} {} ".format),
    "TREC with floats": ("", "{} 0 {} {}.0".format),
    "TREC with commas": ("", "{},0,{},{}".format),
    "BEIR": ("query-id\tcorpus-id\tscore\n", "{}\t{}\t{}".format),
    "BEIR with floats": ("query-id\tcorpus-id\tscore\n", "{}\t{}\t{}.0".format),
    "CSV": ("query_id,doc_id,relevance\n", "{},{},{}".format),
    "CSV with quotes": ("query_id,doc_id,label\n", '"{}","{}","{}"'.format),
    "a header of TREC's": ("qid iteration docno relevancy\n", "{} Q0 {} {}".format),
    "a header in another order": ("score\tpid\tqid\n", lambda q, d, n: f"{n}\t{d}\t{q}"),
    "blank lines": ("\n \n", "{} 0 {} {}\n".format),
}


def rows_of(path: Path) -> Rows:
    return list(read_qrels(path).iter_rows())


def content(form: str, rows: Rows = ROWS) -> str:
    header, line = FORMS[form]
    return header + "".join(line(*row) + "\n" for row in rows)


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("form", FORMS)
def test_kinds_and_compressions(tmp_path: Path, form: str, compression: str) -> None:
    """Whatever the name."""
    for name in ("qrels", "test.tsv", "qrels.txt.gz"):
        path = write(tmp_path / name, content(form), compression)
        assert rows_of(path) == ROWS
    assert read_judgements(path).table.columns == ["query_id", "doc_id", "relevance", "line"]
    assert read_positives(path) == {"q1": ["d1"], "q2": ["é"]}


@pytest.mark.parametrize("end", ["\r\n", "\n", ""])
def test_line_ends(tmp_path: Path, end: str) -> None:
    for form in FORMS:
        text = content(form).rstrip("\n").replace("\n", end or "\n") + end
        assert rows_of(write(tmp_path / "qrels", "\ufeff" + text)) == ROWS


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_path_is_a_path(tmp_path: Path, name: str) -> None:
    for other in ("a1", "what1", "x", "other"):
        write(tmp_path / other, "q9 0 d9 1\n")
    path = write(tmp_path / name / name, content("TREC"))
    assert rows_of(path) == ROWS


@pytest.mark.parametrize("qid", [*QUERY_ID, "query-id", "Query ID"])
@pytest.mark.parametrize("pid", [*PASSAGE_ID, "corpus-id", "DOCID"])
def test_a_header_names_the_columns(
    tmp_path: Path, qid: str, pid: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for level in LEVEL:
        path = write(tmp_path / "qrels", f"{qid}\t{pid}\t{level}\nq1\td1\t2\nq2\td2\t0\n")
        assert rows_of(path) == [("q1", "d1", 2), ("q2", "d2", 0)]
        assert f"line 1: is a header: {qid}, {pid}, {level}" in capsys.readouterr().err
    path = write(tmp_path / "qrels", f"{qid},{pid}\nq1,d1\n")
    assert rows_of(path) == [("q1", "d1", 1)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("q 0 a 1\nq 0 b 0.5\n", "line 2: relevance 0.5 is not an integer"),
        ("query-id\tcorpus-id\tscore\nq\ta\t1\nq\tb\t0.5\n", "line 3: relevance 0.5"),
        ("query_id,doc_id,label\nq,a,1\n\nq,b,0.5\n", "line 4: relevance 0.5"),
        ("q 0 a 1\nq 0 b null\n", "line 2: relevance 'null' is not a finite number"),
        ("query-id\tcorpus-id\tscore\nq\ta\tgood\n", "line 2: relevance 'good' is not a finite"),
        ("q 0 a nan\n", "line 1: relevance 'nan' is not a finite number"),
        ("q 0 a 1\nq 0 b 1 x\n", "line 2: 5 columns: .*; this qrels file has 4"),
        ("q 0 a 1\nq b\n", "line 2: 2 columns"),
        ("q 0 a 1\nq 0 b 1e30\n", "line 2: relevance 1e\\+30 is not a level"),
        ("q Q0 a 1 2.0 t\n", r"line 1: 6 column\(s\).*a qrels file has 4"),
        ("q a 1\n", r"line 1: 3 column\(s\).*or a header"),
        ("qid pid index\nq a 1\n", "line 1: is a header, and none of its columns"),
        ("qid,pid,label\nq,a\n", "line 2: 2 columns"),
        ('qid,pid,label\nq,"a,1\n', "line 2: a quote is not closed"),
        ('q,"d\n', r"line 1: 1 column\(s\)"),
        ("qid pid label\n", "no judgements in this file"),
        ("", "empty; expected a qrels file"),
        (b"q 0 a 1\nq 0 \xff 1\n", "line 2: cannot be read"),
        (bytes(range(256)), "cannot be read: not a text file"),
        ("q1 0 p1 1 \nq2 1 p1 0\nq3 2 p1 0\n", "the third column is 'p1' in all lines"),
    ],
)
@pytest.mark.parametrize("compression", ["plain", "gzip", "zstd"])
def test_mistakes_are_one_line(
    tmp_path: Path, text: str | bytes, said: str, compression: str
) -> None:
    path = write(tmp_path / "qrels", text, compression)
    with pytest.raises(I3Error, match=said) as caught:
        read_qrels(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_half_a_download_is_refused(tmp_path: Path, compression: str) -> None:
    whole = COMPRESS[compression]("".join(f"q{n} 0 d 1\n" for n in range(999)).encode())
    with pytest.raises(I3Error, match="damaged or truncated"):
        read_qrels(write(tmp_path / "qrels", whole[: len(whole) // 2]))


@pytest.mark.parametrize("form", [form for form in FORMS if "float" not in form])
def test_levels_below_zero_are_read_and_counted(
    tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [*ROWS, ("q2", "d3", -2), ("q3", "d3", -1)]
    path = write(tmp_path / "qrels", content(form, rows))
    assert rows_of(path) == rows
    assert "2 judgements have a level below zero (lowest -2)" in capsys.readouterr().err


@pytest.mark.parametrize("form", FORMS)
def test_a_judgement_that_is_repeated_counts_once(
    tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [ROWS[0], ROWS[1], ROWS[0], ROWS[2], ROWS[0]]
    assert rows_of(write(tmp_path / "qrels", content(form, rows))) == ROWS
    said = capsys.readouterr().err
    assert "2 lines repeat judgements (passage d1 of query q1, …), counted once" in said


@pytest.mark.parametrize("form", FORMS)
def test_a_judgement_with_two_levels_is_refused_or_the_highest(
    tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [("q1", "d1", 0), *ROWS[1:], ("q1", "d1", 2), ("q1", "d1", 1)]
    text = content(form, rows)
    first, second = (
        next(n for n, line in enumerate(text.splitlines(), 1) if re.search(what, line))
        for what in (r"\bd1\b.*\b0|0(\.0)?\W+d1", r"d1\W+2|\b2\W+d1")
    )
    path = write(tmp_path / "qrels", text)
    with pytest.raises(I3Error, match=rf"line {second}: .*'d1' .* 2 .*'q1'.* 0 in line {first};"):
        read_qrels(path)
    assert list(read_qrels(path, "max").iter_rows()) == ROWS
    assert "1 pair with two levels: the higher" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("level", "said"),
    [
        (None, "relevance None is not a finite number"),
        (True, "relevance True is not a finite number"),
        ("good", "relevance 'good' is not a finite number"),
        (float("nan"), "is not a finite number"),
        (0.5, "relevance 0.5 is not an integer"),
        ("0.5", "relevance 0.5 is not an integer"),
        (10**400, "is not a finite number"),
        ([1], "is not a finite number"),
    ],
)
def test_levels_of_data_sets(level: object, said: str) -> None:
    with pytest.raises(I3Error, match=f"set, row 2: .*{said}") as caught:
        judgements_of([("q", "a", 1), ("q", "b", level)], "set", "row")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("level", [1, 1.0, "1", "1.0"])
def test_one_is_one(level: object) -> None:
    found = judgements_of([("q", 7, level)], "set", "row")
    assert found.table.rows() == [("q", "7", 1, 1)]
    assert found.place(0) == "set, row 1"


@pytest.mark.parametrize("missing", [None, "", " ", True, 1.5])
def test_ids_of_data_sets(missing: object) -> None:
    for row in ((missing, "a", 1), ("q", missing, 1)):
        with pytest.raises(I3Error, match=r"row 1: the (query|passage) id is"):
            judgements_of([row], "set", "row")


@pytest.mark.parametrize("level", [0.7, float("nan"), None, "high", True, 1e300])
def test_levels_of_a_frame_are_whole(level: object) -> None:
    import pandas as pd

    frame = pd.DataFrame({"query_id": ["q"] * 2, "doc_id": ["a", "b"], "relevance": [1.0, 2]})
    assert as_polars(frame)["relevance"].to_list() == [1, 2]
    frame["relevance"] = pd.Series([1, level], dtype=object)
    with pytest.raises(I3Error, match="judgements, row 2: relevance"):
        as_polars(frame)


def test_judged_queries_without_a_topic_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    qrels = write(tmp_path / "qrels", "".join(f"q{n} 0 d 1\n" for n in range(9)))
    topics = write(tmp_path / "topics.tsv", "q1\tone\nq2\ttwo\n")
    queries, positives = read_judged_queries(topics, qrels)
    assert (len(queries), len(positives)) == (2, 9)
    assert "7 of 9 judged queries are not in" in (said := capsys.readouterr().err)
    assert "(q0, q3, q4, …)" in said
    known = dict.fromkeys(f"q{n}" for n in range(9))
    assert note_without_topic(read_qrels(qrels), known, "qrels", "topics") == []
    assert capsys.readouterr().err == ""


def test_what_is_written_is_read(tmp_path: Path) -> None:
    rows = [("q1", "d1", -2), ("q", "é", 3)]
    with (tmp_path / "qrels").open("w", encoding="utf-8") as file:
        write_qrels(file, rows)
    assert rows_of(tmp_path / "qrels") == rows
    assert json.loads(as_pandas(read_qrels(tmp_path / "qrels")).to_json(orient="values")) == [
        ["q1", "d1", 0],  # pytrec_eval corrupts memory on queries without a level of at least 0
        ["q", "é", 3],
    ]


def test_a_message_quotes_the_beginning_of_a_long_relevance(tmp_path: Path) -> None:
    path = tmp_path / "qrels.txt"
    path.write_text(f"q 0 d {'[' * 5000}1\n", encoding="utf-8")
    with pytest.raises(I3Error, match="not a finite number") as error:
        read_qrels(path)
    assert len(str(error.value)) < 200 + len(str(path))
