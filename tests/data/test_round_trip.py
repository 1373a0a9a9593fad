"""Made queries are kept only if a retriever finds their passage."""

import json
from pathlib import Path

import pytest

from i3_pyserini.data import chunk_corpus, filter_queries, make_queries
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.made import made_of
from i3_pyserini.formats.topics import read_topics

VERBS = "boil fry peel sell buy".split()


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Five titles; the text of the last one has none of its words."""
    rows = [
        {"id": f"p{n}", "title": f"How to {verb} eggs", "text": f"To {verb} them, read {n}."}
        for n, verb in enumerate(VERBS)
    ]
    rows[4]["text"] = "Nothing of this kind."
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    make_queries(corpus, source="titles", output=tmp_path / "made")
    return tmp_path / "made"


def test_bm25_keeps_what_it_finds(made: Path, tmp_path: Path) -> None:
    for _ in range(2):  # the same again
        said = str(
            filter_queries(
                made,
                by="bm25",
                engine="sqlite",
                keep_top=1,
                output=tmp_path / "kept",
                overwrite=True,
            )
        )
        assert "4 queries kept, 1 dropped" in said
        topics = read_topics(str(tmp_path / "kept" / "topics.train.tsv"))
        assert list(topics) == ["p0", "p1", "p2", "p3"]
        qrels = (tmp_path / "kept" / "qrels.train.txt").read_text(encoding="utf-8")
        assert qrels == "".join(f"p{n} 0 p{n} 1\n" for n in range(4))
        generated = (tmp_path / "kept" / "generated.tsv").read_text(encoding="utf-8")
        assert [line.split("\t")[0] for line in generated.splitlines()] == list(topics)
        dropped = (tmp_path / "kept" / "dropped.tsv").read_text(encoding="utf-8")
        assert dropped == "p4\tHow to buy eggs\t\n"
    mark = made_of(tmp_path / "kept" / "qrels.train.txt")
    assert mark is not None
    assert (mark.source, mark.queries, mark.round_trip) == ("titles", 4, "bm25, first 1")


def test_a_run_decides_by_rank(made: Path, tmp_path: Path) -> None:
    run = tmp_path / "run.txt"
    lines = [("p0", "p1", 1), ("p0", "p0", 2), ("p1", "p1", 1), ("p2", "p0", 1), ("p2", "p1", 2)]
    lines += [("p2", "p2", 3)]
    run.write_text("".join(f"{q} Q0 {p} {r} {9 - r} x\n" for q, p, r in lines), encoding="utf-8")
    for top, kept in ((1, ["p1"]), (2, ["p0", "p1"]), (3, ["p0", "p1", "p2"])):
        output = tmp_path / f"top{top}"
        filter_queries(made, by=run, keep_top=top, output=output)
        assert list(read_topics(str(output / "topics.train.tsv"))) == kept
    assert "p2\tHow to peel eggs\t3\n" in (tmp_path / "top2" / "dropped.tsv").read_text(
        encoding="utf-8"
    )


def test_a_passage_has_the_first_kept_query(made: Path, tmp_path: Path) -> None:
    """p0 has two queries, of which the second is kept; generated.tsv has the first."""
    with (made / "topics.train.tsv").open("a", encoding="utf-8") as file:
        file.write("p0-2\tegg boiling\n")
    with (made / "qrels.train.txt").open("a", encoding="utf-8") as file:
        file.write("p0-2 0 p0 1\n")
    run = tmp_path / "run.txt"
    run.write_text("p0-2 Q0 p0 1 9 x\np1 Q0 p1 1 9 x\n", encoding="utf-8")
    filter_queries(made, by=run, output=tmp_path / "kept")
    kept = (tmp_path / "kept" / "generated.tsv").read_text(encoding="utf-8")
    assert kept == "p0\tegg boiling\np1\tHow to fry eggs\n"


def test_queries_of_windows(tmp_path: Path) -> None:
    rows = (
        {"id": f"p{n}", "text": f"{verb} them now. Then {n} more.\n\nSell {verb} {n} things."}
        for n, verb in enumerate(VERBS)
    )
    (tmp_path / "corpus.jsonl").write_text(
        "".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8"
    )
    windows, made = tmp_path / "windows", tmp_path / "made"
    chunk_corpus(tmp_path / "corpus.jsonl", output=windows, by="paragraphs", size=8)
    made.mkdir()
    (made / "topics.train.tsv").write_text(
        "q0\tboil 0 more\nq1\tsell fry things\n", encoding="utf-8"
    )
    (made / "qrels.train.txt").write_text("q0 0 p0#0 1\nq1 0 p1#1 1\n", encoding="utf-8")
    kept = tmp_path / "kept"
    filter_queries(made, by="bm25", corpus=windows / "corpus", engine="sqlite", output=kept)
    assert list(read_topics(str(kept / "topics.train.tsv"))) == ["q0", "q1"]


def test_a_file_named_bm25_is_not_taken_for_a_run(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bm25").write_text("p0 Q0 p1 1 1 x\n", encoding="utf-8")
    said = filter_queries(made, by="bm25", engine="sqlite", output=tmp_path / "kept")
    assert "4 queries kept" in str(said)


def test_refusals(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(I3Error, match="choose another output"):
        filter_queries(made, by="bm25", output=made)
    with pytest.raises(I3Error, match="expected bm25, an index or a run"):
        filter_queries(made, by="no-such", output=out)
    with pytest.raises(I3Error, match="keep_top is 0"):
        filter_queries(made, by="bm25", output=out, keep_top=0)
    with pytest.raises(I3Error, match="corpus requires"):
        filter_queries(made, by="run.txt", output=out, corpus="c")
    (tmp_path / "run.txt").write_text("p0 Q0 p1 1 1 x\n", encoding="utf-8")
    with pytest.raises(I3Error, match="none of 5 queries"):
        filter_queries(made, by=tmp_path / "run.txt", output=out)
