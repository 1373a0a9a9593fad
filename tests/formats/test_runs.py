"""Reading runs: quick and careful reading agree, and what is invalid is named with its line."""

import gzip
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.column_layout import Layout
from i3_pyserini.formats.columns import _read_carefully, read_plainly
from i3_pyserini.formats.runs import RUN, Run, read_run
from tests.formats.compressed import COMPRESS, ODD_NAMES

ROWS = [("q2", "d1", 2.5), ("q2", "d10", 2.5), ("q2", "d9", 2.5), ("q1", "é", -1e-3)]
LINES = [f"{query} Q0 {docid} 1 {score} tag" for query, docid, score in ROWS]
TIED = [("q2", "d9"), ("q2", "d10"), ("q2", "d1"), ("q1", "é")]  # as strings, falling


def write(folder: Path, content: str | bytes, name: str = "run.txt") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def pairs(run: Run) -> list[tuple[str, str]]:
    return list(run.table.select("query_id", "doc_id").iter_rows())


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(LINES),
        "\n".join(LINES) + "\n",
        "\r\n".join(LINES) + "\r\n",
        "\n".join(LINES).replace(" ", "\t"),
        "\n".join(LINES).replace(" Q0 ", "\tQ0  "),
        "\n\n" + "\n \n".join(LINES) + "\n\n",
        "\n".join(f"  {line} " for line in LINES),
    ],
)
def test_any_white_space_separates(tmp_path: Path, text: str) -> None:
    run = read_run(write(tmp_path, text))
    assert pairs(run) == TIED
    assert run.table["score"].to_list() == [2.5, 2.5, 2.5, -1e-3]
    assert run.table["rank"].to_list() == [1, 2, 3, 1]
    assert run.frame["score"].tolist() == [0, -1, -2, 0]


FORMS = {
    "TREC": LINES,
    "TREC with tabs": [line.replace(" ", "\t") for line in LINES],
    "MS MARCO": ["q2 d9 1", "q2 d10 2", "q2 d1 3", "q1 é 1"],
    "TREC with a header": ["qid Q0 docno rank score tag", *LINES],
    "CSV": ["query_id,doc_id,score", *(f"{q},{d},{s}" for q, d, s in ROWS)],
    "a header of ranks": ["rank\tpid\tqid", "1\td9\tq2", "2\td10\tq2", "3\td1\tq2", "1\té\tq1"],
}


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["run", "run.txt", "run.gz"])
def test_kinds_and_compressions(tmp_path: Path, form: str, compression: str, name: str) -> None:
    path = write(tmp_path, COMPRESS[compression]("\n".join(FORMS[form]).encode()), name)
    run = read_run(path)
    assert pairs(run) == TIED
    assert run.table["rank"].to_list() == [1, 2, 3, 1]
    assert dict(run.hits(["q1", "q2", "q3"], 2)) == {"q1": ["é"], "q2": ["d9", "d10"], "q3": []}


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_path_is_a_path(tmp_path: Path, name: str) -> None:
    for other in ("a1", "what1", "x", "other"):
        write(tmp_path, "q9 Q0 another 1 1 t\n", other)
    (tmp_path / name).mkdir()
    assert pairs(read_run(write(tmp_path / name, "\n".join(LINES), name))) == TIED


@pytest.mark.parametrize("text", ["qid docid rank\n", "qid,docid\nq,d\n", "qid docid tag\nq d t\n"])
def test_headers_without_hits_or_scores(tmp_path: Path, text: str) -> None:
    with pytest.raises(I3Error, match=r"no hits in this file|none of its columns|has a header"):
        read_run(write(tmp_path, text))


def test_pipes(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        for text in ("\n".join(LINES), "\n".join(LINES).replace(" Q0", "  Q0")):
            pool.submit(pipe.write_text, text)
            assert pairs(read_run(pipe)) == TIED


def test_a_compressed_run_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress("\n".join(f"q Q0 d{n} 1 {n} t" for n in range(9999)).encode())
    with pytest.raises(I3Error, match=r"run\.gz: the compressed content is damaged"):
        read_run(write(tmp_path, whole[: len(whole) // 2], "run.gz"))


def test_ranks_beyond_single_precision(tmp_path: Path) -> None:
    run = read_run(write(tmp_path, "q a 16777217\nq b 16777216\n"))
    assert pairs(run) == [("q", "b"), ("q", "a")]
    assert len(run.warnings) == 1


@pytest.mark.parametrize("separator", [" ", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_usual_runs_are_read_quickly(separator: str, end: str) -> None:
    text = end.join([*(line.replace(" ", separator) for line in LINES), ""]).encode()
    found = Layout(RUN.layouts[6], separator, 0, ["score"])
    table = read_plainly(text, found)
    assert table is not None
    assert table.select("query_id", "doc_id", "score").rows() == ROWS


WORDS = st.sampled_from(["1", "1", "1", "a", "0.5", "é", "\xa0", ""])
BETWEEN = st.sampled_from([" ", " ", " ", "\t", "\t", "  ", "\x0b", "\r", ""])


@settings(max_examples=300)
@given(
    st.lists(
        st.lists(st.tuples(WORDS, BETWEEN), min_size=5, max_size=7),
        min_size=1,
        max_size=3,
    )
)
def test_quick_reading_is_careful_reading(lines: list[list[tuple[str, str]]]) -> None:
    """What is read quickly at all has the columns that careful reading finds."""
    text = "\n".join("".join(map("".join, words)) for words in lines).encode()
    for separator in (" ", "\t"):
        found = Layout(RUN.layouts[6], separator, 0, ["score"])
        quick = read_plainly(text, found)
        if quick is not None:
            careful = _read_carefully(Path("x"), text, found, "run")
            columns = ["query_id", "doc_id", "score"]
            assert quick.select(columns).equals(careful.select(columns))


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 12), st.sampled_from([0.5, 1.0, 7.0])),
        unique_by=lambda row: row[:2],
        min_size=1,
    )
)
def test_ranked_as_trec_eval_does(rows: list[tuple[str, int, float]]) -> None:
    """Whatever the order of the lines, and with queries in several places of the file."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        lines = [f"{query} Q0 d{docid} 0 {score} t" for query, docid, score in rows]
        run = read_run(write(Path(folder), "\n".join(lines)))
    expected = []
    for query in dict.fromkeys(row[0] for row in rows):
        hits = sorted(((np.float32(s), f"d{d}") for q, d, s in rows if q == query), reverse=True)
        expected += [(query, docid) for _, docid in hits]
    assert pairs(run) == expected


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("q Q0 d99999 1", r"line 70001: 4 columns: 'q Q0 d99999 1'; this run has 6"),
        ("q Q0 d99999 1 2 t more", "line 70001: 7 columns"),
        ("q Q0 d99999 1 x t", "line 70001: score 'x' is not a finite number"),
        ("q Q0 d99999 1 NaN t", "line 70001: score 'NaN' is not a finite number"),
        ("q Q0 d99999 1 -inf t", "line 70001: score '-inf' is not a finite number"),
        ("q Q0 d5 1 9 t", "line 70001: passage 'd5' is ranked a second time for query 'q'"),
    ],
)
def test_one_bad_line_among_many(tmp_path: Path, bad: str, said: str) -> None:
    good = [f"q Q0 d{n} 1 {-n} t" for n in range(90_000)]
    lines = [*good[:70_000], bad, *good[70_000:]]
    with pytest.raises(I3Error, match=said):
        read_run(write(tmp_path, "\n".join(lines)))
    # With blank lines and doubled blanks, which are read carefully, the number is the line's still.
    lines = [
        lines[0],
        *[line.replace("q Q0", "q  Q0") for line in lines[2:70_000]],
        "",
        *lines[70_000:],
    ]
    with pytest.raises(I3Error, match=said):
        read_run(write(tmp_path, "\n".join(lines)))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (bytes(range(256)), "run.txt: cannot be read: not a text file"),
        (b"q Q0 a 1 2 t\nq Q0 \xff 1 2 t\n", "run.txt, line 2: cannot be read: .*utf-8"),
        (b"q a 1\nq b 2.5\n", "line 2: rank 2.5 is not an integer; for scores write"),
        (b"q a -1\n", "line 1: rank -1 is not an integer"),
        (b'{"id": 1}\n', r"line 1: 2 column\(s\): '\{\"id\": 1\}'; a run has 6"),
    ],
)
def test_files_that_are_no_runs(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(I3Error, match=said) as caught:
        read_run(write(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(I3Error, match=r"none\.txt: no such file"):
        read_run(tmp_path / "none.txt")
    with pytest.raises(I3Error, match="cannot be read: it is a folder"):
        read_run(tmp_path)
