from pathlib import Path

import pytest

from i3_pyserini.data.queries import read_positives, read_queries
from i3_pyserini.errors import I3Error

QUOTES = b'q1\tplain\nq2\t"in quotes"\nq3\ta "word" in\nq4\t"open\nq5\tclosed" here\nq6\tend\n'


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_quotes_are_literal(tmp_path: Path) -> None:
    assert read_queries(written(tmp_path / "q.tsv", QUOTES)) == {
        "q1": "plain",
        "q2": '"in quotes"',
        "q3": 'a "word" in',
        "q4": '"open',
        "q5": 'closed" here',
        "q6": "end",
    }


def test_quotes_as_the_original_read_them(tmp_path: Path) -> None:
    path = written(tmp_path / "q.tsv", QUOTES)
    import pandas as pd

    frame = pd.read_csv(path, sep="\t", header=None, dtype=str, keep_default_na=False)
    queries = read_queries(path, quoted=True)
    assert queries == dict(frame.itertuples(index=False, name=None))
    assert queries["q2"] == "in quotes"
    assert queries["q4"] == "open\nq5\tclosed here"
    assert "q5" not in queries


@pytest.mark.parametrize("quoted", [False, True])
def test_line_ends_and_ids(tmp_path: Path, quoted: bool) -> None:
    content = b"\xef\xbb\xbf01\tna\xc3\xafve\r\n\r\n1\tnull\r\n"
    assert read_queries(written(tmp_path / "q.txt", content), quoted) == {
        "01": "naïve",
        "1": "null",
    }


@pytest.mark.parametrize(
    ("content", "quoted", "said"),
    [
        (b"q1\ta\nq2 b\n", False, "q.tsv, line 2: no tab"),
        (b"q1\ta\nq1\tb\n", False, "q.tsv, line 2: query id 'q1' occurs a second time"),
        (b"q1\ta\nq2\t\xff\n", False, "q.tsv, line 2: not valid UTF-8"),
        (b"", False, "q.tsv: no topics"),
        (b"q1\ta\nq2 b\n", True, "q.tsv, line 2: no tab"),
        (b"q1\ta\nq2\tb\tc\n", True, "q.tsv, line 2: 3 columns"),
        (b'q1\t"a\nb"\nq2\t \n', True, "q.tsv, line 3: the query is empty"),
        (b"q1\ta\n\tb\n", True, "q.tsv, line 2: the query id is empty"),
        (b"q1\ta\nq2\t\xff\n", True, "q.tsv.*not valid UTF-8"),
        (b'q1\t"open for ever\nq2\tb\n', True, "q.tsv.*never closed"),
        (b'q1\t"' + b"open for ever\n" * 2_000_000, True, "q.tsv.*field larger than"),
    ],
)
def test_bad_queries(tmp_path: Path, content: bytes, quoted: bool, said: str) -> None:
    with pytest.raises(I3Error, match=said):
        read_queries(written(tmp_path / "q.tsv", content), quoted)


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(I3Error, match="nowhere: no such file of queries"):
        read_queries(tmp_path / "nowhere")
    with pytest.raises(I3Error, match=r"trec-dl-2019: no such file of judgements"):
        read_positives(Path("trec-dl-2019"))  # not looked up as the name of a data set


@pytest.mark.parametrize("content", [b"q2\tp9\nq1\tp1\nq2\tp3\n", b"q2 p9\r\nq1 p1\r\nq2 p3\r\n"])
def test_two_columns(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path / "r.tsv", content)
    assert read_positives(path) == {"q2": ["p9", "p3"], "q1": ["p1"]}
    assert list(read_positives(path)) == ["q2", "q1"]


def test_trec_and_min_relevance(tmp_path: Path) -> None:
    content = b"q1 0 p1 1\nq1 0 p2 0\nq1 0 p3 3\nq2 0 p1 2\nq3 0 01 1\nq4 0 p4 -1\n"
    path = written(tmp_path / "r.txt", content)
    assert read_positives(path) == {"q1": ["p1", "p3"], "q2": ["p1"], "q3": ["01"]}
    assert read_positives(path, 2) == {"q1": ["p3"], "q2": ["p1"]}
    assert read_positives(path, 0)["q1"] == ["p1", "p2", "p3"]
    with pytest.raises(I3Error, match=r"r.txt: no passage has a relevance of at least 4"):
        read_positives(path, 4)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"q1 0 p1\n", "line 1: 3 column"),
        (b"q1 0 p1 one\n", "line 1: relevance 'one' is not a finite number"),
        (
            b"q1 0 p1 1\nq2 0 p1 1\nq1 0 p1 2\n",
            "line 3: passage 'p1' has relevance 2 .* 1 in",
        ),
        (b"", "empty"),
    ],
)
def test_bad_judgements(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(I3Error, match=f"r.txt.*{said}"):
        read_positives(written(tmp_path / "r.txt", content))
