"""Topics: one reader for every kind of file; what is not a topic is refused or named."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i3_pyserini.data.queries import read_queries
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.names import QUERY, TOPIC_ID
from i3_pyserini.formats.topics import read_topics, topics_of_file, write_topics
from tests.formats.compressed import COMPRESS, ODD_NAMES, write

EXPECTED = {"q1": "where is it", "007": "une façon", "q3": 'the "third" one'}
CONTENTS = {
    ".tsv": "".join(f"{qid}\t{query}\n" for qid, query in EXPECTED.items()),
    ".csv": "qid,query\n" + "q1,where is it\n" + "007,une façon\n" + 'q3,"the ""third"" one"\n',
    ".jsonl": "".join(
        json.dumps({"id": qid, "text": query}) + "\n" for qid, query in EXPECTED.items()
    ),
}
CONTENTS |= {".txt": CONTENTS[".tsv"], ".TSV": CONTENTS[".tsv"], ".json": CONTENTS[".jsonl"]}


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("suffix", CONTENTS)
@pytest.mark.parametrize("named", [True, False])
def test_kinds_and_compressions(tmp_path: Path, suffix: str, compression: str, named: bool) -> None:
    """With and without a suffix that names the compression."""
    end = {"g": ".gz", "z": ".zst"}.get(compression[0], "") if named else ""
    path = write(tmp_path / f"topics{suffix}{end}", CONTENTS[suffix], compression)
    assert read_topics(str(path)) == EXPECTED
    assert read_queries(path) == EXPECTED


@pytest.mark.parametrize("compression", ["plain", "gzip", "zstd"])
@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".jsonl"])
@pytest.mark.parametrize("name", ["topics", "topics.txt", "topics.dev", "topics.gz", "v1.2"])
def test_the_first_line_decides_where_the_name_does_not(
    tmp_path: Path, suffix: str, compression: str, name: str
) -> None:
    path = write(tmp_path / name, CONTENTS[suffix], compression)
    assert read_topics(str(path)) == EXPECTED


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("suffix", ["", ".tsv", ".jsonl"])
def test_a_path_is_a_path(tmp_path: Path, name: str, suffix: str) -> None:
    for other in ("a1", "what1", "x", "other"):
        write(tmp_path / f"{other}{suffix}", "q9\tanother file\n")
    kind = suffix or ".tsv"
    path = write(tmp_path / name / f"{name}{suffix}", CONTENTS[kind])
    assert read_topics(str(path)) == read_topics(path) == EXPECTED


@pytest.mark.parametrize("qid", [*TOPIC_ID, "Query-ID", "QID", "query id"])
@pytest.mark.parametrize("query", [*QUERY, "Query", "TEXT"])
def test_a_header_is_no_query(
    tmp_path: Path, qid: str, query: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for suffix, between in ((".tsv", "\t"), (".csv", ","), ("", "\t"), ("", ",")):
        for header, row in (((qid, query), ("q1", "fox")), ((query, qid), ("fox", "q1"))):
            lines = f"{between.join(header)}\n{between.join(row)}\n"
            path = write(tmp_path / f"t{suffix}", lines)
            assert read_topics(str(path)) == {"q1": "fox"}
            assert f"line 1: is a header: {qid}, {query}" in capsys.readouterr().err
    record = json.dumps({qid: "q1", query: "fox"})
    assert read_topics(str(write(tmp_path / "t.jsonl", record))) == {"q1": "fox"}


def test_a_headers_other_columns_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "t.tsv", "year\tqid\tquery\n2019\tq1\tfox\n")
    assert read_topics(str(path)) == {"q1": "fox"}
    assert "not read: year" in capsys.readouterr().err
    path = write(tmp_path / "t.tsv", "qid\tyear\tquery\tnote\nq1\t2019\tfox\t\n")
    assert read_topics(str(path)) == {"q1": "fox"}
    assert "not read: year, note" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".tsv", ".txt", ".csv"])
@pytest.mark.parametrize("line", ["1|2019|a fox", "q1|a|b|c", "q1|a||c"])
def test_a_third_column_is_refused(tmp_path: Path, suffix: str, line: str) -> None:
    row = line.replace("|", "," if suffix == ".csv" else "\t")
    path = write(tmp_path / f"t{suffix}", f"{row}\n")
    with pytest.raises(I3Error, match=r"line 1: [34] columns"):
        read_topics(str(path))


@pytest.mark.parametrize("field", ["id", "_id", "qid", "query_id", "query-id"])
@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "null"), (True, "true"), (False, "false"), (1.5, "1.5"), ([1], r"\[1\]"), ({}, "{}")],
)
def test_ids_that_are_none(tmp_path: Path, field: str, value: object, shown: str) -> None:
    lines = json.dumps({field: "q0", "text": "x"}) + "\n" + json.dumps({field: value, "text": "x"})
    with pytest.raises(I3Error, match=f"line 2: field '{field}' is {shown}; expected a string"):
        read_topics(str(write(tmp_path / "t.jsonl", lines)))


def test_an_id_may_be_a_number_and_the_querys_own_counts(tmp_path: Path) -> None:
    record = {"id": 9, "qid": 7, "text": "a passage", "query": "fox"}
    path = write(tmp_path / "t.jsonl", json.dumps(record))
    assert read_topics(str(path)) == {"7": "fox"}


def test_a_semicolon_between_columns_is_recognised_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "t.csv", "qid;query\nq1;fox, dog\n")
    assert read_topics(str(path)) == {"q1": "fox, dog"}
    assert "t.csv: columns are separated by ';'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("suffix", "content", "said"),
    [
        (".tsv", "q1\ta\nq2 b\n", "line 2: no tab"),
        (".csv", "qid\nq1\n", "line 1: no comma"),
        (".tsv", "q1\ta\n\nq1\tb\n", "line 3: query id 'q1' occurs a second time"),
        (".tsv", b"q1\ta\nq2\t\xff\n", "line 2: not valid UTF-8"),
        (".tsv", "q1\t \n", "line 1: the query is empty"),
        (".tsv", "\tfox\n", "line 1: the query id is empty"),
        (".tsv", "", "no topics"),
        (".tsv", "qid\tquery\n", "no topics"),
        (".tsv", "qid\twords\nq1\tfox\n", "line 1: 'qid' is a column name, but no other"),
        (".csv", 'qid,query\nq1,"open\n', "line 2: a quote is not closed"),
        (".jsonl", "[1]\n", "line 1: expected a JSON object"),
        (".jsonl", '{"id": "q1"}\n', "line 1: no field query or text"),
        (".jsonl", '{"text": "fox"}\n', "line 1: no field query_id or qid"),
        (".jsonl", '{"id": "q1", "text": null}\n', "line 1: field 'text' is null"),
        (".jsonl", '{"id": "q1", "text": "x \\ud83d"}\n', "line 1: a lone surrogate"),
        (".json", '{"id": "q1",\n', "line 1: not valid JSON"),
    ],
)
@pytest.mark.parametrize("compression", ["plain", "gzip"])
def test_mistakes_are_one_line(
    tmp_path: Path, suffix: str, content: str | bytes, said: str, compression: str
) -> None:
    path = write(tmp_path / f"t{suffix}", content, compression)
    with pytest.raises(I3Error, match=said) as caught:
        read_topics(str(path))
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_long_names_of_fields_are_cut(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", json.dumps({"id": "q1", "q" * 100_000: "fox"}))
    with pytest.raises(I3Error, match="it has 'id', 'qqqq") as caught:
        read_topics(str(path))
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_half_a_download_is_refused(tmp_path: Path, compression: str) -> None:
    whole = COMPRESS[compression](CONTENTS[".tsv"].encode())
    path = write(tmp_path / "t.tsv", whole[:-6])
    with pytest.raises(I3Error, match="damaged or truncated"):
        read_topics(str(path))


def test_names_that_are_no_files(tmp_path: Path) -> None:
    for name in ("nowhere.tsv", "nowhere.jsonl.zst", "nowhere.csv.gz", "nowhere.txt"):
        with pytest.raises(I3Error, match="no such topics file"):
            read_topics(str(tmp_path / name))
    with pytest.raises(I3Error, match="folder"):
        read_topics(str(tmp_path))


@pytest.mark.parametrize("content", ["qid\tquery\n q1 \tfox \n", '"query"\t"qid"\n"fox"\tq1\n'])
def test_quoted_topics_are_read_as_others(tmp_path: Path, content: str) -> None:
    path = write(tmp_path / "t.tsv", content)
    assert {topic.qid: topic.query for topic in topics_of_file(path, quoted=True)} == {"q1": "fox"}


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp", "Zs"]))


@pytest.mark.slow
@settings(max_examples=50)
@given(st.dictionaries(TEXT.filter(str.strip), TEXT.filter(str.strip), min_size=1))
def test_what_is_written_is_read(topics: dict[str, str]) -> None:
    topics = {f"q{qid}": query for qid, query in topics.items()}
    assert round_trip(topics) == {qid: " ".join(query.split()) for qid, query in topics.items()}


@pytest.mark.parametrize("query", ["fox", *QUERY, *TOPIC_ID])
@pytest.mark.parametrize("qid", ["q1", "title", "Text", *TOPIC_ID])
def test_what_looks_like_a_header_is_written_and_read(qid: str, query: str) -> None:
    topics = {qid: query, "q2": "hen", "query-id": "text"}
    assert round_trip(topics) == topics


def round_trip(topics: dict[str, str]) -> dict[str, str]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.tsv"
        with path.open("w", encoding="utf-8") as file:
            write_topics(file, topics.items())
        return {topic.qid: topic.query for topic in topics_of_file(path)}
