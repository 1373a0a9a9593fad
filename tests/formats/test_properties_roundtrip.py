"""Readers of sound files in every form: what went in comes out, or is named."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.hits import Hits
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.run_file import write_run
from i3_pyserini.formats.runs import read_run
from i3_pyserini.formats.textstore import open_store
from i3_pyserini.formats.topics import read_topics
from i3_pyserini.formats.vector_files import Kind, Shape, read_files, write_files
from tests.formats.damage import compressed, examples, write

COMPRESSIONS = ("", "gzip", "zstd")
HEADERS = {
    "id",
    "_id",
    "docid",
    "pid",
    "qid",
    "query_id",
    "query-id",
    "topic",
    "q",
    "query",
    "topic_id",
}
# Ids without white space and control characters, in which formats differ; texts without line ends.
LETTERS = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Z"))
IDS = st.text(LETTERS, min_size=1, max_size=12).filter(
    lambda text: text.split() == [text] and text.lower() not in HEADERS and text[0] not in "{\ufeff"
)
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=30
)
LINE_TEXTS = TEXTS.map(str.strip).filter(bool)


@st.composite
def layouts(draw: st.DrawFn, lines: Sequence[str]) -> bytes:
    """Lines as the content of a file: line ends, blank lines, a byte order mark, compression."""
    end = draw(st.sampled_from(("\n", "\r\n")))
    made = list(lines)
    if draw(st.booleans()):
        made.insert(draw(st.integers(0, len(made))), "")
    text = end.join(made) + (end if draw(st.booleans()) else "")
    mark = b"\xef\xbb\xbf" if draw(st.booleans()) else b""
    return mark + text.encode("utf-8")


PASSAGES = st.lists(
    st.tuples(IDS, st.none() | TEXTS, TEXTS), min_size=1, max_size=8, unique_by=lambda one: one[0]
)


@examples(80)
@given(PASSAGES, st.data())
def test_passages_of_json_lines(passages: list[tuple[str, str | None, str]], data: Any) -> None:
    name = data.draw(st.sampled_from(("id", "_id", "docid", "pid", "docno")))
    ascii_only = data.draw(st.booleans())
    lines = []
    for docid, title, text in passages:
        parent = {"docid": "parent"} if name == "pid" else {}  # as in MS MARCO v2
        fields = {"url": "x", **parent, name: docid, "title": title, "text": text}
        if title is None and data.draw(st.booleans()):
            del fields["title"]
        lines.append(json.dumps(fields, ensure_ascii=ascii_only))
    cut = data.draw(st.integers(0, len(lines)))
    expected = [(d, (title or "").strip() or None, text.strip()) for d, title, text in passages]
    with tempfile.TemporaryDirectory() as folder:
        for place, some in (("a.jsonl", lines[:cut]), ("b.json", lines[cut:])):
            how = data.draw(st.sampled_from(COMPRESSIONS))
            write(folder, place, compressed(data.draw(layouts(some)), how))
        corpus = Corpus(Path(folder))
        assert [(one.docid, one.title, one.text) for one in corpus] == expected
        with tempfile.TemporaryDirectory() as cache:
            store = open_store(Path(folder), Path(cache))
            assert list(store.pids()) == [docid for docid, _, _ in expected]
            for docid, title, text in expected:
                found = store.get(docid)
                assert found is not None
                assert (found.title, found.text) == (title, text)


@examples(80)
@given(st.dictionaries(IDS, LINE_TEXTS, min_size=1, max_size=8), st.data())
def test_topics(topics: dict[str, str], data: Any) -> None:
    form = data.draw(st.sampled_from((".tsv", ".txt", ".jsonl")))
    if form == ".jsonl":
        names = data.draw(st.sampled_from((("id", "text"), ("_id", "query"), ("qid", "title"))))
        lines = [json.dumps(dict(zip(names, topic, strict=True))) for topic in topics.items()]
    else:
        lines = [f"{qid}\t{text}" for qid, text in topics.items()]
    with tempfile.TemporaryDirectory() as folder:
        how = data.draw(st.sampled_from(COMPRESSIONS))
        path = write(folder, f"topics{form}", compressed(data.draw(layouts(lines)), how))
        assert read_topics(str(path)) == topics


@examples(40)
@given(st.dictionaries(IDS, LINE_TEXTS, min_size=1, max_size=5), st.data())
def test_a_header_of_topics_is_no_topic_and_a_third_column_is_refused(
    topics: dict[str, str], data: Any
) -> None:
    header = data.draw(st.sampled_from(("query_id\tquery", "qid\ttext", "id\ttext", "_id\tquery")))
    lines = [f"{qid}\t{text}" for qid, text in topics.items()]
    wide = data.draw(st.integers(0, len(lines) - 1))
    with tempfile.TemporaryDirectory() as folder:
        path = write(folder, "topics.tsv", data.draw(layouts([header, *lines])))
        assert read_topics(str(path)) == topics
        lines[wide] += "\tmore"
        wider = write(folder, "wider.tsv", data.draw(layouts(lines)))
        with pytest.raises(I3Error, match=r"wider\.tsv, line"):
            read_topics(str(wider))


JUDGED = st.dictionaries(st.tuples(IDS, IDS), st.integers(-2, 4), min_size=1, max_size=12)


@examples(80)
@given(JUDGED, st.sampled_from(COMPRESSIONS), st.data())
def test_judgements(judged: dict[tuple[str, str], int], how: str, data: Any) -> None:
    between = data.draw(st.sampled_from((" ", "\t", "  ")))
    level = data.draw(st.sampled_from(("{}", "{}.0")))
    lines = [
        between.join((qid, "0", docid, level.format(value)))
        for (qid, docid), value in judged.items()
    ]
    with tempfile.TemporaryDirectory() as folder:
        content = data.draw(layouts(lines))
        path = write(folder, "qrels.txt", compressed(content, how))
        table = read_qrels(str(path))
        found = zip(*(list(table[c]) for c in ("query_id", "doc_id", "relevance")), strict=True)
        assert {(qid, docid): value for qid, docid, value in found} == judged
        assert len(table) == len(judged)


@examples(80)
@given(
    st.dictionaries(st.tuples(IDS, IDS), st.integers(-50, 50), min_size=1, max_size=15),
    st.sampled_from(COMPRESSIONS),
    st.data(),
)
def test_runs(scores: dict[tuple[str, str], int], how: str, data: Any) -> None:
    lines = [
        f"{qid} Q0 {docid} {rank} {score / 4} tag"
        for rank, ((qid, docid), score) in enumerate(scores.items(), 1)
    ]
    queries = dict.fromkeys(qid for qid, _ in scores)
    right = [
        (qid, docid, score / 4)
        for qid in queries
        for score, docid in sorted(
            ((score, d) for (q, d), score in scores.items() if q == qid),
            key=lambda pair: (pair[0], pair[1].encode()),
            reverse=True,
        )
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = write(folder, "run.txt", compressed(data.draw(layouts(lines)), how))
        table = read_run(path).table
    found = zip(*(table[c].to_list() for c in ("query_id", "doc_id", "score")), strict=True)
    assert list(found) == right


@examples(60)
@given(st.data())
def test_a_run_that_is_written_is_read_in_the_same_order(data: Any) -> None:
    docids = data.draw(st.lists(IDS, min_size=1, max_size=9, unique=True))
    qids = data.draw(st.lists(IDS, min_size=1, max_size=4, unique=True))
    count, k = len(docids), data.draw(st.integers(1, len(docids)))
    rows = np.array([data.draw(st.permutations(range(count)))[:k] for _ in qids], dtype=np.int64)
    values = st.lists(st.sampled_from((0.0, 0.25, 1.0, 1e-30, -3.5, 1e9)), min_size=k, max_size=k)
    scores = np.array([sorted(data.draw(values), reverse=True) for _ in qids], dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.txt"
        write_run(path, qids, Hits(scores, rows), docids)
        run = read_run(path)
    assert run.table["query_id"].to_list() == [qid for qid in qids for _ in range(k)]
    assert run.table["doc_id"].to_list() == [docids[row] for row in rows.ravel()]


@examples(60)
@given(
    st.lists(IDS, min_size=1, max_size=9, unique=True),
    st.sampled_from(("faiss", "npy", "jsonl")),
    st.integers(0, 2**32 - 1),
)
def test_vectors(ids: list[str], kind: Kind, seed: int) -> None:
    random = np.random.default_rng(seed)
    shape = (len(ids), int(random.integers(1, 5)))
    vectors = (random.standard_normal(shape) * 10.0 ** random.integers(-30, 30)).astype(np.float32)
    cut = int(random.integers(0, len(ids) + 1))
    texts = ["a text"] * len(ids)
    blocks = [
        Block(ids[some], vectors[some], texts[some])
        for some in (slice(cut), slice(cut, None))
        if ids[some]
    ]
    with tempfile.TemporaryDirectory() as folder:
        write_files(kind, Path(folder), blocks, Shape(*vectors.shape))
        found_shape, found = read_files(Path(folder))
        back = list(found)
        if kind != "jsonl":
            assert list(Docids.read(Path(folder) / "docid")) == ids
    assert found_shape == Shape(*vectors.shape)
    assert [docid for block in back for docid in block.ids] == ids
    np.testing.assert_array_equal(np.concatenate([block.vectors for block in back]), vectors)
