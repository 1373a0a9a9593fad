"""`eval pool` and `eval pool-qrels`: tables to judge, and the qrels from them."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.cli import run as run_command_line
from i3_pyserini.errors import I3Error
from i3_pyserini.eval.pool import pool_qrels, pool_runs

A = {"q1": "abc", "q2": "de"}
B = {"q1": "bxa", "q3": "f"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, ranking in (("a.run", A), ("b.run", B)):
        lines = [
            f"{query} Q0 {passage} {rank} {10 - rank} t"
            for query, passages in ranking.items()
            for rank, passage in enumerate(passages, start=1)
        ]
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "topics.tsv").write_text('q1\tFür "Sie"\nq2\ttwo\nq3\tthree\n', encoding="utf-8")
    passages = [{"id": one, "title": one.upper(), "text": f"text; of\n{one}"} for one in "abcdefx"]
    (tmp_path / "corpus.jsonl").write_text(
        "".join(json.dumps(one) + "\n" for one in passages), encoding="utf-8"
    )
    return tmp_path


def pooled(folder: Path, **options: Any) -> list[dict[str, str]]:
    given: dict[str, Any] = {
        "topics": folder / "topics.tsv",
        "corpus": folder / "corpus.jsonl",
        "output": folder / "pool.csv",
        "depth": 2,
        "overwrite": True,
    }
    pool_runs([folder / "a.run", folder / "b.run"], **{**given, **options})
    with (folder / "pool.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_first_passages_of_all_runs(folder: Path) -> None:
    rows = pooled(folder)
    pairs = [(row["query_id"], row["doc_id"]) for row in rows]
    assert [query for query, _ in pairs] == ["q1", "q1", "q1", "q2", "q2", "q3"]
    assert set(pairs) == {*[("q1", one) for one in "abx"], ("q2", "d"), ("q2", "e"), ("q3", "f")}
    assert rows[0]["query"] == 'Für "Sie"' and rows[-1]["text"] == "text; of\nf"
    assert rows[-1]["title"] == "F" and {row["relevance"] for row in rows} == {""}


@pytest.mark.parametrize("given", ["corpus", "topics", "qrels"])
def test_inputs_are_not_overwritten(folder: Path, given: str) -> None:
    (folder / "qrels").write_text("q1 0 a 1\n", encoding="utf-8")
    paths = {"corpus": "corpus.jsonl", "topics": "topics.tsv", "qrels": "qrels"}
    before = (folder / paths[given]).read_bytes()
    with pytest.raises(I3Error, match="given twice"):
        pooled(folder, output=folder / paths[given], qrels=folder / "qrels")
    assert (folder / paths[given]).read_bytes() == before


def test_a_corpus_of_windows(folder: Path) -> None:
    windows = [{"id": f"{one}#0", "text": one} for one in "abcdefx"]
    (folder / "corpus.jsonl").write_text(
        "".join(json.dumps(one) + "\n" for one in windows), encoding="utf-8"
    )
    with pytest.raises(I3Error, match="cut from"):
        pooled(folder)


def test_the_order_is_random_and_repeatable(folder: Path) -> None:
    many = [f"q1 Q0 {one} {rank} {9 - rank} t\n" for rank, one in enumerate("abcdefx", start=1)]
    (folder / "a.run").write_text("".join(many), encoding="utf-8")
    orders = [
        "".join(row["doc_id"] for row in pooled(folder, depth=7, seed=seed) if row["title"] != "F")
        for seed in (1, 1, 2)
    ]
    assert orders[0] == orders[1] != orders[2]
    assert "abcdex" not in orders


def fill(folder: Path, level: Callable[[dict[str, str]], str], delimiter: str = ",") -> Path:
    rows = [{**row, "relevance": level(row)} for row in pooled(folder)]
    path = folder / "judged.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, [*reversed(list(rows[0]))], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_qrels_of_a_filled_table(
    folder: Path, delimiter: str, capsys: pytest.CaptureFixture[str]
) -> None:
    judged = fill(
        folder, lambda row: {"a": "2", "d": "0", "f": " 1 "}.get(row["doc_id"], ""), delimiter
    )
    said = pool_qrels(judged, output=folder / "qrels.txt")
    lines = (folder / "qrels.txt").read_text(encoding="utf-8").splitlines()
    assert lines == ["q1 0 a 2", "q2 0 d 0", "q3 0 f 1"]
    assert "3 new judgments, 2 of them relevant" in str(said)
    assert "3 of 6 rows have no level" in capsys.readouterr().err


def test_formulas_are_text_and_ids_come_back(folder: Path) -> None:
    formula, evil = '=HYPERLINK("http://x","y")', "=1+1"
    (folder / "topics.tsv").write_text(f"{evil}\t{formula}\n", encoding="utf-8")
    for name, docid in (("a.run", "@b"), ("b.run", "'-c")):
        (folder / name).write_text(f"{evil} Q0 {docid} 1 2 t\n", encoding="utf-8")
    passages = [{"id": one, "title": "+t", "text": "- item"} for one in ("@b", "'-c")]
    (folder / "corpus.jsonl").write_text(
        "".join(json.dumps(one) + "\n" for one in passages), encoding="utf-8"
    )
    rows = pooled(folder)
    assert {cell[0] for row in rows for cell in row.values() if cell} == {"'", "c"}
    assert pool_qrels(fill(folder, lambda _: "1"), output=folder / "qrels.txt")
    lines = (folder / "qrels.txt").read_text(encoding="utf-8").splitlines()
    assert sorted(lines) == ["=1+1 0 '-c 1", "=1+1 0 @b 1"]


@pytest.mark.parametrize(
    ("column", "changed"),
    [("query_id", "100000"), ("doc_id", "7"), ("doc_id", "b"), ("check", "c00000000")],
)
def test_ids_that_were_changed(folder: Path, column: str, changed: str) -> None:
    judged = fill(folder, lambda row: "1" if row["doc_id"] == "a" else "")
    assert pool_qrels(judged, output=folder / "qrels.txt")
    rows = list(csv.DictReader(judged.open(encoding="utf-8-sig", newline="")))
    next(row for row in rows if row["doc_id"] == "a")[column] = changed
    with judged.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(I3Error, match=r"judged.csv, line \d+: .*not the ids"):
        pool_qrels(judged, output=folder / "new.txt")
    for row in rows:  # rows without a mark are as somebody wrote them
        row["check"] = ""
    with judged.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert pool_qrels(judged, output=folder / "new.txt")


@pytest.mark.parametrize(
    ("docid", "changes"),
    [
        *(("007", True), ("1e5", True), ("1234567890123456789", True), ("1-2", True)),
        *(("3/4/2020", True), ("-x", False), ("1.50", True), ("TRUE", True), ("0", False)),
        *(("7187158", False), ("MED-10", False), ("1234-1234", False), ("d1e5", False)),
    ],
)
def test_ids_that_spreadsheets_change(
    folder: Path, docid: str, changes: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.run").write_text(f"q1 Q0 {docid} 1 1 t\n", encoding="utf-8")
    with (folder / "corpus.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"id": docid, "text": "x"}) + "\n")
    pooled(folder)
    assert (f"{docid!r} (1 of this table)" in capsys.readouterr().err) == changes


def test_judged_pairs_are_left_out_and_kept(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = folder / "old.txt"
    old.write_text("q1 0 a 1\nq9 0 z 0\nq1 0 b 0\n", encoding="utf-8")
    rows = pooled(folder, qrels=old)
    assert len(rows) == 4 and "2 of 6 pairs are judged" in capsys.readouterr().err
    judged = fill(folder, lambda row: "" if row["doc_id"] in "ab" else "1")
    pool_qrels(judged, output=folder / "new.txt", qrels=old)
    assert len((folder / "new.txt").read_text(encoding="utf-8").splitlines()) == 3 + 4
    with pytest.raises(I3Error, match="relevance 3 for query"):
        pool_qrels(fill(folder, lambda row: "3"), output=folder / "x.txt", qrels=old)
    assert not (folder / "x.txt").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("query_id,doc_id\nq,d\n", "no column relevance"),
        ("query_id,doc_id,relevance\nq,d,yes\n", "yes"),
        ("query_id,doc_id,relevance\nq,d,\n", "no row has a level"),
        ("query_id,doc_id,relevance\nq,d,1\nq,d\n", "line 3: 2 columns"),
        ("query_id,doc_id,relevance\n,d,1\n", "line 2: id '' is empty"),
        ("query_id,doc_id,relevance\nq,d,1\nq 2,d,1\n", "line 3: id 'q 2' .*white space"),
        ("query_id,doc_id,relevance\nq,d,1\nq,e,\nq,d,2\n", "line 4: .* and 1 in line 2"),
        ('query_id,text,doc_id,relevance\nq,"a\nb",d,\nq,c,e,x\n', "line 4: .*x"),
    ],
)
def test_tables_that_are_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "pool.csv").write_text(text, encoding="utf-8")
    with pytest.raises(I3Error, match=said):
        pool_qrels(tmp_path / "pool.csv", output=tmp_path / "qrels.txt")
    assert not (tmp_path / "qrels.txt").exists()


def test_pools_that_are_refused(folder: Path) -> None:
    (folder / "few.tsv").write_text("q1\tone\n", encoding="utf-8")
    with pytest.raises(I3Error, match="query 'q2' of the runs is not in the topics"):
        pooled(folder, topics=folder / "few.tsv")
    (folder / "small.jsonl").write_text('{"id": "a", "text": "x"}\n', encoding="utf-8")
    with pytest.raises(I3Error, match="no passage"):
        pooled(folder, corpus=folder / "small.jsonl")
    with pytest.raises(I3Error, match="depth is 0"):
        pooled(folder, depth=0)
    with pytest.raises(I3Error, match="exists"):
        (folder / "pool.csv").touch()
        pooled(folder, overwrite=False)
    judged = "".join(
        f"{q} 0 {d} 1\n" for q, ds in {"q1": "abx", "q2": "de", "q3": "f"}.items() for d in ds
    )
    (folder / "all.txt").write_text(judged, encoding="utf-8")
    with pytest.raises(I3Error, match="all 6 pairs of the pool are judged"):
        pooled(folder, qrels=folder / "all.txt")


def test_commands(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--topics", str(folder / "topics.tsv"), "--corpus", str(folder / "corpus.jsonl")]
    runs = [str(folder / "a.run"), str(folder / "b.run")]
    run_command_line(["eval", "pool", *runs, *given, "--output", str(folder / "pool.csv")])
    assert "7 passages of 3 queries to judge" in capsys.readouterr().out
    run_command_line(["eval", "--help"])
    assert "baseline" in capsys.readouterr().out
