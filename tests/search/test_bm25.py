import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.eval.runs import read_run
from i3_pyserini.java import find_java

pytestmark = pytest.mark.skipif(find_java()[0] is None, reason="stock Pyserini needs Java")


def test_bm25(tmp_path: Path, run_module: Callable[..., Any]) -> None:
    passages = [
        {"id": "d1", "title": "Eggs", "text": "Boil them for nine minutes."},
        {"id": "d2", "title": "Plants", "text": "Photosynthesis turns light into sugar."},
        {"id": "d3", "text": "Minutes of a meeting."},
    ]
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps(passage) + "\n" for passage in passages))
    (tmp_path / "topics.tsv").write_text("q1\teggs\nq2\tlight minutes\n")
    made = ("i3_pyserini.search.bm25", "--corpus", corpus, "--index", tmp_path / "lucene")
    command = (*made, "--topics", tmp_path / "topics.tsv")
    done = run_module(*command, "--output", tmp_path / "run.txt")
    assert done.returncode == 0, done.stderr
    frame = read_run(tmp_path / "run.txt").frame
    hits = frame.groupby("query_id")["doc_id"].apply(set).to_dict()
    assert hits == {"q1": {"d1"}, "q2": {"d1", "d2", "d3"}}  # titles are searched, too
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "lucene").iterdir()}
    done = run_module(*command, "--output", tmp_path / "again.txt")
    assert done.returncode == 0, done.stderr
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "lucene").iterdir()}
    assert (tmp_path / "again.txt").read_text() == (tmp_path / "run.txt").read_text()
    with corpus.open("a") as file:
        file.write('{"id": "d4", "text": "new"}\n')
    for arguments, said in (
        (("--output", tmp_path / "more.txt"), "remove it, or name another"),
        (("--output", tmp_path / "run.txt"), "exists; choose another name"),
        (("--output", tmp_path / "more.txt", "--b", 2), "--b from 0 to 1"),
    ):
        done = run_module(*command, *arguments)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert said in done.stderr
    assert not (tmp_path / "more.txt").exists()
