import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.formats.runs import read_run
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
    (tmp_path / "topics.tsv").write_text("007\teggs\nnone\tzebra\n7\tlight minutes\n")
    made = ("i3_pyserini.search.bm25", "--corpus", corpus, "--index", tmp_path / "lucene")
    command = (*made, "--topics", tmp_path / "topics.tsv")
    done = run_module(*command, "--output", tmp_path / "run.txt")
    assert done.returncode == 0, done.stderr
    assert "note: 1 queries have no hit" in done.stderr
    frame = read_run(tmp_path / "run.txt").frame
    hits = frame.groupby("query_id")["doc_id"].apply(set).to_dict()
    assert hits == {"007": {"d1"}, "7": {"d1", "d2", "d3"}}  # titles are searched, too
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "lucene").iterdir()}
    done = run_module(*command, "--output", tmp_path / "again.txt")
    assert done.returncode == 0, done.stderr
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "lucene").iterdir()}
    assert (tmp_path / "again.txt").read_text() == (tmp_path / "run.txt").read_text()
    corpus.write_text(corpus.read_text().replace("nine", "four"))  # of the same size
    for arguments, said in (
        (("--output", tmp_path / "more.txt"), "was made of something else (sha256 is "),
        (("--output", tmp_path / "run.txt"), "exists; choose another name"),
        (("--output", tmp_path / "more.txt", "--b", 2), "--b from 0 to 1"),
    ):
        done = run_module(*command, *arguments)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert said in done.stderr
    assert not (tmp_path / "more.txt").exists()
