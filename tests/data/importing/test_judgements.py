"""`data import` reads judgements and topics as all commands do, and counts what it leaves out."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.data.collection import check_source, write_collection
from i3_pyserini.data.sources.folders import BeirFolder, LayoutFolder, PlainFiles
from i3_pyserini.data.sources.named import HubDataset
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.topics import read_topics
from tests.conftest import Run
from tests.formats.compressed import COMPRESS, ODD_NAMES, write

CORPUS = "".join(json.dumps({"_id": f"d{n}", "text": f"text {n}"}) + "\n" for n in range(4))
QUERIES = "".join(json.dumps({"_id": f"q{n}", "text": f"query {n}"}) + "\n" for n in range(3))
HEADER = "query-id\tcorpus-id\tscore\n"


def beir(folder: Path, qrels: str, compression: str = "plain", end: str = "") -> Path:
    write(folder / f"corpus.jsonl{end}", CORPUS, compression)
    write(folder / f"queries.jsonl{end}", QUERIES, compression)
    write(folder / "qrels" / f"test.tsv{end}", qrels, compression)
    return folder


def written(folder: Path) -> list[tuple[Any, ...]]:
    return list(read_qrels(folder / "qrels.test.txt").iter_rows())


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("named", [True, False])
def test_compressed_folders(tmp_path: Path, compression: str, named: bool) -> None:
    end = {"g": ".gz", "z": ".zst"}.get(compression[0], "") if named else ""
    folder = beir(tmp_path / "beir", f"{HEADER}q1\td1\t1\n", compression, end)
    source = BeirFolder(folder)
    assert source.splits() == ["test"]
    write_collection(source, tmp_path / "ours")
    assert written(tmp_path / "ours") == [("q1", "d1", 1)]
    for name in ("topics.test.tsv", "qrels.test.txt"):
        path = tmp_path / "ours" / name
        content = path.read_bytes()
        path.unlink()
        write(path.with_name(name + end), content, compression)
    assert check_source(LayoutFolder(tmp_path / "ours")).judgements == {"test": 1}


@pytest.mark.parametrize(
    ("topics", "qrels"),
    [("topics.train.jsonl", "qrels.train.tsv"), ("topics.train.txt.gz", "qrels.train.csv")],
)
def test_files_of_a_split_may_end_as_readers_know_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], topics: str, qrels: str
) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "corpus.tsv").write_text("d1\tan egg\n", encoding="utf-8")
    line = '{"id": "q1", "text": "eggs"}' if ".jsonl" in topics else "q1\teggs"
    (tmp_path / topics).write_text(f"{line}\n", encoding="utf-8")
    (tmp_path / qrels).write_text("query_id,doc_id,relevance\nq1,d1,1\n", encoding="utf-8")
    (tmp_path / "topics.old").touch()
    findings = check_source(LayoutFolder(tmp_path))
    assert (findings.topics, findings.judgements) == ({"train": 1}, {"train": 1})
    assert "not read: topics.old" in capsys.readouterr().err
    (tmp_path / "qrels.dev.txt").write_text("q1 0 d1 1\n", encoding="utf-8")
    with pytest.raises(I3Error, match=r"qrels.dev.txt: no topics of this split"):
        LayoutFolder(tmp_path)


def test_two_files_of_a_split_and_files_that_are_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = beir(tmp_path / "beir", f"{HEADER}q1\td1\t1\n")
    (folder / "qrels" / "notes.pdf").touch()
    (folder / "qrels" / ".hidden").touch()
    assert BeirFolder(folder).splits() == ["test"]
    assert "not read: notes.pdf" in capsys.readouterr().err
    write(folder / "qrels" / "test.tsv.gz", gzip.compress(b"q1 0 d1 1\n"))
    with pytest.raises(I3Error, match=r"test.tsv.gz: test.tsv is of the same split"):
        BeirFolder(folder).splits()


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_path_is_a_path(tmp_path: Path, name: str) -> None:
    folder = beir(tmp_path / name, f"{HEADER}q1\td1\t1\n")
    beir(tmp_path / "other", f"{HEADER}q1\td3\t1\n")
    write_collection(BeirFolder(folder), tmp_path / f"{name} ours")
    assert written(tmp_path / f"{name} ours") == [("q1", "d1", 1)]
    assert check_source(LayoutFolder(tmp_path / f"{name} ours")).passages == 4
    topics = write(tmp_path / name / f"{name}.t", "q1\tone\n")
    qrels = write(tmp_path / name / f"{name}.q", "q1 0 d2 1\n")
    source = PlainFiles(folder / "corpus.jsonl", {"test": topics}, {"test": qrels})
    write_collection(source, tmp_path / "plain")
    assert written(tmp_path / "plain") == [("q1", "d2", 1)]


def test_absent_queries_and_passages_are_dropped_and_named(run_module: Run, tmp_path: Path) -> None:
    rows = "q1\td1\t1\nq9\td1\t1\nq8\td2\t1\nq1\td9\t1\nq2\td8\t1\n"
    folder = beir(tmp_path / "beir", HEADER + rows)
    command = ("i3_pyserini", "data", "import", folder, "--output", tmp_path / "ours")
    refused = run_module(*command)
    assert refused.returncode == 2 and "--drop-unknown" in refused.stderr
    assert "line 3: query 'q9' is not in the topics" in refused.stderr
    done = run_module(*command, "--drop-unknown", check=True)
    assert "2 judgements of an absent query left out (q9, q8)" in done.stderr
    assert "2 judgements of an absent passage left out (d9, d8)" in done.stderr
    assert "1 query has no judgement left (q2)" in done.stderr
    assert written(tmp_path / "ours") == [("q1", "d1", 1)]
    assert set(read_topics(str(tmp_path / "ours" / "topics.test.tsv"))) == {"q1", "q2"}


def test_pairs_that_are_judged_twice(run_module: Run, tmp_path: Path) -> None:
    folder = beir(tmp_path / "beir", f"{HEADER}q1\td1\t0\nq1\td2\t1\nq1\td2\t1.0\nq1\td1\t2\n")
    command = ("i3_pyserini", "data", "import", folder, "--output", tmp_path / "ours")
    refused = run_module(*command)
    assert refused.returncode == 2
    assert "line 5" in refused.stderr and "line 2" in refused.stderr
    done = run_module(*command, "--duplicates", "max", check=True)
    assert "2 lines repeat judgements" in done.stderr
    assert written(tmp_path / "ours") == [("q1", "d1", 2), ("q1", "d2", 1)]
    run = write(tmp_path / "run.txt", "q1 Q0 d1 1 1.0 t\n")
    evaluation = ("i3_pyserini.eval", folder / "qrels" / "test.tsv", run, "--measures", "P@1")
    assert run_module(*evaluation).returncode == 2
    assert "1.0000" in run_module(*evaluation, "--duplicates", "max", check=True).stdout


def test_levels_below_zero_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = beir(tmp_path / "beir", f"{HEADER}q1\td1\t-2\nq1\td2\t1\n")
    write_collection(BeirFolder(folder), tmp_path / "ours")
    assert capsys.readouterr().err.count("1 judgement has a level below zero") == 1
    assert written(tmp_path / "ours") == [("q1", "d1", -2), ("q1", "d2", 1)]


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([1, 0], None),
        ([1.0, -1.0], None),
        (["1", "2.0"], None),
        ([1.0, 0.5], "row 2: relevance 0.5 is not an integer"),
        (["1", "good"], "row 2: relevance 'good' is not a finite number"),
        ([1, None], "row 2: relevance None is not a finite number"),
    ],
)
@pytest.mark.parametrize("names", [("query-id", "corpus-id", "score"), ("qid", "pid", "label")])
def test_levels_of_the_hub(
    tmp_path: Path, scores: list[Any], said: str | None, names: tuple[str, ...]
) -> None:
    folder = tmp_path / "hub"
    rows = [
        dict(zip(names, (f"q{n}", f"d{n}", score), strict=True)) for n, score in enumerate(scores)
    ]
    tables = {
        "corpus": CORPUS,
        "queries": QUERIES,
        "qrels": "".join(json.dumps(row) + "\n" for row in rows),
    }
    configs = ""
    for name, text in tables.items():
        write(folder / name / "test.jsonl", text)
        configs += f"- config_name: {name}\n  data_files:\n  - split: test\n"
        configs += f"    path: {name}/test.jsonl\n"
    write(folder / "README.md", f"---\nconfigs:\n{configs}---\n")
    if said:
        with pytest.raises(I3Error, match=said):
            write_collection(HubDataset(str(folder)), tmp_path / "ours")
        return
    write_collection(HubDataset(str(folder)), tmp_path / "ours")
    expected = [(f"q{n}", f"d{n}", int(float(score))) for n, score in enumerate(scores)]
    assert written(tmp_path / "ours") == expected
